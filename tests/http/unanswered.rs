//! A host that has the data folder and does not answer, as commands report it.

use std::io::Read;
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::{fs, thread};

use rustix::process::Signal;

use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::harness::guest_path;

/// Another place than where the host serves, as the data folder says it.
fn notice(service: &Service, address: &str) {
    let file = service.chimera.data().join("data/chimera.address");
    fs::write(&file, format!("{} http://{address}\n", service.pid())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_host_that_does_not_answer_is_reported_with_its_address() {
    let mut service = Service::start(Chimera::new(), &declare("echo", &guest_path("echo"), 1));
    let data = service.chimera.data().join("data");
    let refuses = |arguments: &[&str], address: &str, words: &[&str]| {
        let folder = ["--data-dir", data.to_str().unwrap()];
        let pid = service.pid();
        let host = format!("the host at http://{address} (process {pid})");
        let words = [&[&*host, "did not answer GET /livez", "ask again"], words].concat();
        service.chimera.refuses(7, &[arguments, &folder].concat(), &words);
        let said = service.chimera.run(&[arguments, &folder].concat()).err;
        assert!(!said.contains("stop it first") && !said.contains("failed"), "{said}");
    };
    let each = |address: &str, words: &[&str]| {
        notice(&service, address);
        for arguments in [
            &["task", "list"][..],
            &["task", "submit", "--type", "echo", "--task", "1"],
            &["dead-letters", "list"],
            &["genome", "list"],
            &["keyvalue", "list"],
            &["reload"],
            &["top", "--once"],
        ] {
            refuses(arguments, address, words);
        }
    };

    // One that takes no connection.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    each(&closed, &["Connection refused"]);

    // One that takes it and ends it, as soon as it is asked or before.
    let closes = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closes.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in closes.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    each(&address, &["it closed the connection"]);

    // One that is none of ours is not told the token, nor is the folder opened beside the host.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hangs.local_addr().unwrap().to_string();
    notice(&service, &address);
    refuses(&["task", "list"], &address, &["timeout"]);

    service.signal(Signal::TERM);
    service.hears("ended in good order");
}

/// What was asked may have been done.
#[test]
fn a_host_that_falls_silent_after_its_greeting_is_reported_too() {
    let mut service = Service::start(Chimera::new(), &declare("echo", &guest_path("echo"), 1));
    let data = service.chimera.data().join("data");
    let greets = TcpListener::bind("127.0.0.1:0").unwrap();
    notice(&service, &greets.local_addr().unwrap().to_string());
    thread::spawn(move || {
        for stream in greets.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut asked) {
                if !asked[..length].starts_with(b"GET /livez ") {
                    break;
                }
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                std::io::Write::write_all(&mut stream, answer).unwrap();
            }
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    let words =
        ["did not answer POST /v1/reload", "it closed the connection", "done what was asked"];
    service.chimera.refuses(7, &["reload", "--data-dir", data.to_str().unwrap()], &words);
    service.signal(Signal::TERM);
    service.hears("ended in good order");
}
