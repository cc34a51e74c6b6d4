//! What an app has already, as its sources say it: names, routes, pools, and the places for new lines.

use std::path::{Path, PathBuf};

use pixie_grammar::{PathPart, parse_path};
use proc_macro2::TokenTree;
use syn::{
    Attribute, Expr, ExprCall, ExprMethodCall, Item, ItemFn, ItemMod, ItemUse, Meta, Path as RustPath, ReturnType,
    Type, UseTree, Visibility,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::source::{Source, is_for_tests, place, text_of};
use crate::error::Error;

/// The methods of HTTP that attributes and `Route::…` are named after.
pub(crate) const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub(crate) struct Program {
    files: Vec<Source>,
    seen: Seen,
}

/// What the code of all files shows.
#[derive(Default)]
struct Seen {
    /// Method, path, file, line.
    routes: Vec<(String, String, PathBuf, usize)>,
    /// Name, file, line.
    pools: Vec<(String, PathBuf, usize)>,
    builders: Vec<Builder>,
    /// Functions without arguments that return an `App`, and whether they are for tests.
    makers: Vec<(String, bool)>,
    /// Whether the program calls `pixie_web::run()`, which serves all routes with attributes.
    is_run: bool,
    /// The names of methods that are called outside of tests.
    methods: Vec<String>,
}

/// A place where an app is begun outside of tests: `App::collect()`.
#[derive(Clone)]
pub(crate) struct Builder {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// The offset behind the call.
    pub(crate) end: usize,
    pub(crate) is_collecting: bool,
    /// Whether the call is in the file of the root, where modules need no `crate::`.
    pub(crate) is_in_root: bool,
    function: String,
}

impl Program {
    pub(crate) fn read(root: &Path) -> Result<Program, Error> {
        let (files, mut seen) = (Source::all(root)?, Seen::default());
        for source in &files {
            let (module, is_test) = (source.module.clone(), source.is_test);
            let mut reader = Reader { source, seen: &mut seen, module, is_test, function: String::new() };
            reader.visit_file(&source.syntax);
        }
        Ok(Program { files, seen })
    }

    pub(crate) fn root(&self) -> &Source {
        &self.files[0]
    }

    /// Returns whether the program makes an app here, and not in another crate of the package.
    pub(crate) fn has_app(&self) -> bool {
        !self.seen.builders.is_empty() || self.seen.is_run
    }

    /// Refuses a module whose name the root has already. `package` has the names of the dependencies.
    pub(crate) fn check_module(&self, name: &str, dependencies: &[String]) -> Result<(), Error> {
        let root = self.root();
        let taken = root.syntax.items.iter().find(|item| names(item).iter().any(|other| other == name));
        if let Some(item) = taken {
            let error = Error::new(format_args!("the program has the name `{name}` already"));
            return Err(error.at(place(&root.path, root.line(item))).help("choose another name"));
        }
        match dependencies.iter().any(|dependency| dependency == name) {
            true => Err(Error::new(format_args!("`{name}` is a dependency, and a module would hide it"))
                .help("choose another name")),
            false => Ok(()),
        }
    }

    /// Refuses a route that the app has already.
    pub(crate) fn check_route(&self, method: &str, path: &str) -> Result<(), Error> {
        let same = |(other_method, other, ..): &&(String, String, PathBuf, usize)| {
            other_method.eq_ignore_ascii_case(method) && shape(other) == shape(path)
        };
        let Some((_, other, file, line)) = self.seen.routes.iter().find(same) else { return Ok(()) };
        let error = Error::new(format_args!("the app has the route `{} {other}` already", method.to_uppercase()));
        Err(error.at(place(file, *line)).help("choose another path with `--path`"))
    }

    pub(crate) fn check_pool(&self, name: &str) -> Result<(), Error> {
        let Some((_, file, line)) = self.seen.pools.iter().find(|(other, ..)| other == name) else { return Ok(()) };
        let error = Error::new(format_args!("the app has a pool `{name}` already"));
        Err(error.at(place(file, *line)).help("choose another name"))
    }

    /// Returns the place where the app is begun. Of several, it is the one in the function that tests use, or the
    /// only one that collects routes with attributes.
    pub(crate) fn builder(&self) -> Option<&Builder> {
        let builders = &self.seen.builders;
        let in_maker = |builder: &&Builder| self.seen.makers.iter().any(|(maker, _)| *maker == builder.function);
        let mut collecting = builders.iter().filter(|builder| builder.is_collecting);
        match (&builders[..], builders.iter().find(in_maker)) {
            ([builder], _) | (_, Some(builder)) => Some(builder),
            _ => collecting.next().filter(|_| collecting.next().is_none()),
        }
    }

    /// Returns the call that makes the app in tests, such as `crate::app()`. A function for tests comes first.
    pub(crate) fn maker(&self) -> Option<String> {
        let of = |for_tests: bool| self.seen.makers.iter().find(|(_, is_test)| *is_test == for_tests);
        of(true).or_else(|| of(false)).map(|(function, _)| format!("{function}()"))
    }

    /// Returns whether the program has no app of its own, but calls `pixie_web::run()`.
    pub(crate) fn is_run(&self) -> bool {
        self.seen.is_run && self.seen.builders.is_empty()
    }

    /// Returns whether the program calls a method of this name.
    pub(crate) fn calls(&self, method: &str) -> bool {
        self.seen.methods.iter().any(|other| other == method)
    }

    /// Returns the offset in the root where `mod name;` belongs, and the text: behind the last module, or before
    /// the first item. rustfmt sorts modules.
    pub(crate) fn module_line(&self, name: &str) -> (usize, String) {
        let (text, items) = (&self.root().text, &self.root().syntax.items);
        let is_plain =
            |item: &&Item| matches!(item, Item::Mod(item) if item.content.is_none() && item.attrs.is_empty());
        if let Some(last) = items.iter().rfind(is_plain) {
            let end = last.span().byte_range().end;
            let end = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
            return (end, format!("\nmod {name};"));
        }
        match items.first() {
            Some(first) => (comment_start(text, first.span().byte_range().start), format!("mod {name};\n\n")),
            None => (text.len(), format!("\nmod {name};\n")),
        }
    }
}

/// Returns the start of the comment that ends at the line of an item, or of that line. A comment at the top
/// of the file is about the file.
fn comment_start(text: &str, item: usize) -> usize {
    let line = text[..item].rfind('\n').map_or(0, |newline| newline + 1);
    let mut start = line;
    while let Some(above) = text[..start].strip_suffix('\n') {
        let above = above.rfind('\n').map_or(0, |newline| newline + 1);
        let comment = text[above..start].trim();
        match comment.starts_with("//") && !comment.starts_with("//!") {
            true if above == 0 => return line,
            true => start = above,
            false => break,
        }
    }
    start
}

/// Returns the shape of a path, in which names of wildcards do not count.
fn shape(path: &str) -> String {
    let Ok(parts) = parse_path(path) else { return path.to_owned() };
    let parts = parts.iter().map(|part| match part {
        PathPart::Literal(text) => text.clone(),
        PathPart::Wildcard { filter, .. } => format!("<{filter:?}>"),
    });
    parts.collect()
}

/// Returns whether a name comes from pixie-web.
fn imports(items: &[Item], name: &str) -> bool {
    items.iter().any(|item| match item {
        Item::Use(ItemUse { tree: UseTree::Path(path), .. }) if path.ident == "pixie_web" => {
            names(item).iter().any(|other| other == name)
        }
        _ => false,
    })
}

/// Returns the names that an item gives to the namespace of types and modules.
fn names(item: &Item) -> Vec<String> {
    match item {
        Item::Mod(item) => vec![item.ident.to_string()],
        Item::Struct(item) => vec![item.ident.to_string()],
        Item::Enum(item) => vec![item.ident.to_string()],
        Item::Union(item) => vec![item.ident.to_string()],
        Item::Trait(item) => vec![item.ident.to_string()],
        Item::Type(item) => vec![item.ident.to_string()],
        Item::ExternCrate(item) => vec![item.ident.to_string()],
        Item::Use(item) => {
            let mut names = Vec::new();
            imported(&item.tree, &mut names);
            names
        }
        _ => Vec::new(),
    }
}

/// Collects the names that an import may give to modules. The attributes of routes are macros, which do not
/// collide with modules.
fn imported(tree: &UseTree, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => imported(&path.tree, names),
        UseTree::Name(name) => names.push(name.ident.to_string()),
        UseTree::Rename(rename) => names.push(rename.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| imported(tree, names)),
        UseTree::Glob(_) => {}
    }
    names.retain(|name| !METHODS.contains(&name.as_str()));
}

/// Reads one file.
struct Reader<'p> {
    source: &'p Source,
    seen: &'p mut Seen,
    module: Vec<String>,
    is_test: bool,
    function: String,
}

impl Reader<'_> {
    fn note(&mut self, method: &str, path: String, line: usize) {
        if !self.is_test {
            self.seen.routes.push((method.to_owned(), path, self.source.path.clone(), line));
        }
    }

    fn read_attribute(&mut self, attribute: &Attribute) {
        let Meta::List(list) = &attribute.meta else { return };
        let Some(name) = list.path.segments.last().map(|last| last.ident.to_string()) else { return };
        let mut tokens = list.tokens.clone().into_iter();
        let Some(path) = tokens.next().and_then(|first| syn::parse2::<Expr>(first.into()).ok()) else { return };
        let Some(path) = text_of(&path) else { return };
        let line = self.source.line(attribute);
        if METHODS.contains(&name.as_str()) {
            return self.note(&name, path, line);
        }
        if name != "route" {
            return;
        }
        let words =
            tokens.filter_map(|token| if let TokenTree::Ident(word) = token { Some(word.to_string()) } else { None });
        let methods: Vec<_> = words.filter(|word| METHODS.contains(&word.to_lowercase().as_str())).collect();
        match methods.is_empty() {
            true => self.note("get", path, line),
            false => methods.iter().for_each(|method| self.note(method, path.clone(), line)),
        }
    }

    /// Returns the path of a function in this file.
    fn path_of(&self, function: &str) -> String {
        let parts = ["crate"].into_iter().chain(self.module.iter().map(String::as_str)).chain([function]);
        parts.collect::<Vec<_>>().join("::")
    }

    /// Notes a function that makes an app, if the modules of the root can call it.
    fn read_maker(&mut self, item: &ItemFn, is_test: bool) {
        let ReturnType::Type(_, output) = &item.sig.output else { return };
        let is_app =
            matches!(&**output, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "App"));
        let is_reachable =
            self.module.is_empty() || self.module.len() == 1 && !matches!(item.vis, Visibility::Inherited);
        if is_app && is_reachable && item.sig.inputs.is_empty() && item.sig.asyncness.is_none() {
            self.seen.makers.push((self.path_of(&item.sig.ident.to_string()), is_test));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let before = self.is_test;
        self.is_test |= is_for_tests(&item.attrs);
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.is_test = before;
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        item.attrs.iter().for_each(|attribute| self.read_attribute(attribute));
        let before = self.is_test;
        self.is_test |= is_for_tests(&item.attrs);
        self.read_maker(item, self.is_test);
        let function = self.path_of(&item.sig.ident.to_string());
        let outer = std::mem::replace(&mut self.function, function);
        visit::visit_item_fn(self, item);
        self.function = outer;
        self.is_test = before;
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let (of, name) = last_two(&function.path);
            let (first, line) = (call.args.first().and_then(text_of), self.source.line(call));
            match (&*of, &*name, first) {
                ("Route", method, Some(path)) if METHODS.contains(&method) => self.note(method, path, line),
                ("" | "pixie_web", "run", None) if call.args.is_empty() => {
                    self.seen.is_run |= of == "pixie_web" || imports(&self.source.syntax.items, "run");
                }
                ("Pool", "named", Some(pool)) if !self.is_test => {
                    self.seen.pools.push((pool, self.source.path.clone(), line));
                }
                ("App", "collect" | "new" | "default", None) if call.args.is_empty() && !self.is_test => {
                    self.seen.builders.push(Builder {
                        file: self.source.path.clone(),
                        line,
                        end: call.span().byte_range().end,
                        is_collecting: name == "collect",
                        is_in_root: self.module.is_empty(),
                        function: self.function.clone(),
                    });
                }
                _ => {}
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if !self.is_test {
            self.seen.methods.push(call.method.to_string());
        }
        visit::visit_expr_method_call(self, call);
    }
}

fn last_two(path: &RustPath) -> (String, String) {
    let mut names = path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let name = names.next().unwrap_or_default();
    (names.next().unwrap_or_default(), name)
}
