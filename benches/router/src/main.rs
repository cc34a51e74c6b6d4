//! Times one look-up in a table of 200 routes.
use std::{collections::HashMap, hint::black_box, time::Instant};

fn table() -> Vec<String> {
    let mut t = vec![];
    for i in 0..40 {
        let r = format!("/api/v1/{}{i}", ["users", "orders", "files", "teams", "invoices"][i % 5]);
        t.push(r.clone());
        t.push(format!("{r}/search"));
        t.push(format!("{r}/<id>"));
        t.push(format!("{r}/<id>/items"));
        t.push(format!("{r}/<id>/items/<item>"));
    }
    t
}
fn brace(p: &str) -> String {
    p.replace('<', "{").replace('>', "}")
}
fn main() {
    let t = table();
    let mut m = matchit::Router::new();
    let mut b = wayfind::RouterBuilder::new();
    let mut h: HashMap<String, usize> = HashMap::new();
    for (i, r) in t.iter().enumerate() {
        m.insert(brace(r), i).unwrap();
        b.insert(r, i).unwrap();
        if !r.contains('<') {
            h.insert(r.clone(), i);
        }
    }
    let w = b.build();
    let cases: Vec<(&str, Vec<String>)> = vec![
        ("static", (0..40).map(|i| t[i * 5].clone()).collect()),
        ("static beside a wildcard", (0..40).map(|i| t[i * 5 + 1].clone()).collect()),
        ("one wildcard", (0..40).map(|i| format!("{}/1234567", t[i * 5])).collect()),
        ("two wildcards", (0..40).map(|i| format!("{}/1234567/items/abcdef", t[i * 5])).collect()),
        ("miss", (0..40).map(|i| format!("{}/1234567/nothing", t[i * 5])).collect()),
        ("miss early", (0..40).map(|i| format!("/wp-admin/{i}.php")).collect()),
    ];
    for (name, paths) in &cases {
        let n = 2000;
        let mut v = [vec![], vec![], vec![]];
        for _ in 0..60 {
            let s = Instant::now();
            for _ in 0..n / 40 {
                for p in paths {
                    black_box(m.at(black_box(p)).ok().map(|x| (*x.value, x.params.len())));
                }
            }
            v[0].push(s.elapsed().as_nanos() as f64 / n as f64);
            let s = Instant::now();
            for _ in 0..n / 40 {
                for p in paths {
                    black_box(w.search(black_box(p)).map(|x| (*x.data(), x.parameters().len())));
                }
            }
            v[1].push(s.elapsed().as_nanos() as f64 / n as f64);
            let s = Instant::now();
            for _ in 0..n / 40 {
                for p in paths {
                    black_box(h.get(black_box(p.as_str())));
                }
            }
            v[2].push(s.elapsed().as_nanos() as f64 / n as f64);
        }
        for x in &mut v {
            x.sort_by(f64::total_cmp);
        }
        println!("{name:28} matchit {:6.1} wayfind {:6.1} map {:6.1}", v[0][30], v[1][30], v[2][30]);
    }
}
