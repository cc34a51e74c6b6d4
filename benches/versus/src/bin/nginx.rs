//! The static routes on nginx with two worker processes, as Debian packages it.
//!
//! nginx is killed with this program by `setpriv`, because its processes do not notice the end of their
//! parent.
#![forbid(unsafe_code)]

use std::{fs, io, process::Command};

use versus::{
    case::Protocol,
    peer::{self, HELLO},
};

fn main() -> io::Result<()> {
    peer::leave_with_driver();
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    fs::write(path.join("large"), peer::large())?;
    fs::write(path.join("nginx.conf"), config(&path.display().to_string())?)?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "nginx", "-e", "stderr", "-c"]).arg(path.join("nginx.conf"));
    let status = command.status()?;
    if !status.success() {
        return Err(io::Error::other(format!("run nginx: {status}")));
    }
    Ok(())
}

fn config(folder: &str) -> io::Result<String> {
    let [certificate, key] = peer::certificate()?;
    let tls = format!("ssl_certificate {}; ssl_certificate_key {};", certificate.display(), key.display());
    let (option, tls) = match peer::protocol() {
        Protocol::Http1 => ("", String::new()),
        Protocol::Http2 => ("http2", String::new()),
        Protocol::Tls => ("ssl", format!("{tls} ssl_protocols TLSv1.2 TLSv1.3;")),
    };
    // Without a limit of requests for a connection, and without a log, as the other servers. The user matters
    // only if root starts it: another one could not read the folder.
    Ok(format!(
        "user root root; daemon off; worker_processes 2; pid {folder}/pid;
        events {{ worker_connections 20000; }}
        http {{
            access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on; default_type text/plain;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; root {folder};
            server {{
                listen {} {option}; {tls}
                location = / {{ return 200 \"{HELLO}\"; }}
                location /extra/ {{ return 200 \"{HELLO}\"; }}
            }}
        }}",
        peer::address()?
    ))
}
