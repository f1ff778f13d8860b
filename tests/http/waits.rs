//! Clients that go away, or have said all that they had to say, while they wait.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chimera_layer4::fabric::FabricConfig;
use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};

use super::Api;
use super::service::{Service, declare};
use crate::cli::Chimera;
use crate::harness::{guest_path, settings_with};

const LISTENS: &str = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
const RELOADS: &str = "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
/// For something that takes a moment where nothing is wrong.
const SOON: Duration = Duration::from_secs(30);

/// A client that has asked this.
fn asks(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // The host may have closed it already.
    let _ = stream.write_all(request.as_bytes());
    stream
}

/// The status of an answer; `None` where the connection ends without one.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    String::from_utf8_lossy(&head[9..]).parse().ok()
}

/// A client that hears what happens, and so has its turn to wait.
fn listens(address: SocketAddr) -> TcpStream {
    let mut stream = asks(address, LISTENS);
    assert_eq!(status(&mut stream), Some(200));
    stream
}

/// Closes a connection as a client does whose process was killed with unread bytes.
fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// Whether the host has nothing more to say to this client yet.
fn goes_on(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Whether the host ends the connection soon.
fn ends(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A task that its client waits for, and how often it had to be submitted until
/// that was possible.
async fn until_waited_for(api: &Api) {
    let waited = async {
        loop {
            let body = json!({ "target_agent_type": "echo", "payload": 1 });
            if api.post("/v1/tasks?wait=30s", body).await.status == 200 {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, waited).await.unwrap();
}

fn few(max_connections: usize) -> FabricConfig {
    settings_with(|c| c.http.max_connections = max_connections)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_client_gets_what_it_waits_for() {
    let api = Api::new(&["echo"]).await;
    let later = json!({ "target_agent_type": "echo", "payload": 1,
        "not_before": "2999-01-01T00:00:00Z" });
    let id = api.post("/v1/tasks", later).await.json()["id"].as_str().unwrap().to_owned();
    let address = api.address;
    let half_closed = |path: String| {
        let stream = asks(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        stream.shutdown(Shutdown::Write).unwrap();
        stream
    };
    let mut waits = half_closed(format!("/v1/tasks/{id}?wait=300s"));
    let mut listens = half_closed(format!("/v1/tasks/{id}/events"));
    // Others come and go meanwhile.
    for _ in 0..20 {
        until_waited_for(&api).await;
    }
    assert!(goes_on(&mut waits), "it is not answered before there is an answer");
    assert!(goes_on(&mut listens));
    api.post(&format!("/v1/tasks/{id}/cancel"), json!(null)).await;
    let answers = tokio::task::spawn_blocking(move || {
        [waits, listens].map(|mut stream| {
            stream.set_nonblocking(false).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    });
    let [waited, listened] = answers.await.unwrap();
    assert!(waited.contains(r#""state":"cancelled""#), "{waited}");
    assert!(listened.contains("event: task-ended"), "{listened}");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_client_loses_its_turn_to_one_that_waits() {
    let api = Api::with(few(8), &["echo"]).await;
    let address = api.address;
    let listening = tokio::task::spawn_blocking(move || [(); 6].map(|()| listens(address)));
    let mut listening = listening.await.unwrap();
    // All turns are taken: who waits is answered as if the time were over.
    let body = json!({ "target_agent_type": "echo", "payload": 1 });
    assert_eq!(api.post("/v1/tasks?wait=30s", body).await.status, 202);
    for gone in [2, 4] {
        listening[gone].shutdown(Shutdown::Write).unwrap();
        until_waited_for(&api).await;
        let mut stream = listening[gone].try_clone().unwrap();
        let ended = tokio::task::spawn_blocking(move || ends(&mut stream));
        assert!(ended.await.unwrap(), "{gone} was half-closed");
        // Its turn is free now, and goes to another listener.
        listening[gone] = tokio::task::spawn_blocking(move || listens(address)).await.unwrap();
    }
    assert!(listening.iter_mut().all(goes_on), "those that are open lose nothing");
    drop(api);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_client_that_waits_makes_way_for_another_connection() {
    let api = Api::with(few(1), &[]).await;
    let address = api.address;
    let served = tokio::task::spawn_blocking(move || {
        let mut listens = listens(address);
        listens.shutdown(Shutdown::Write).unwrap();
        let began = Instant::now();
        let ask = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
        while status(&mut asks(address, ask)) != Some(204) {
            assert!(began.elapsed() < SOON, "the half-closed client has the only place");
        }
        ends(&mut listens)
    });
    assert!(served.await.unwrap());
    drop(api);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_reset_give_their_places_back() {
    let api = Api::with(few(8), &["echo"]).await;
    let later = json!({ "target_agent_type": "echo", "payload": 1,
        "not_before": "2999-01-01T00:00:00Z" });
    let id = api.post("/v1/tasks", later).await.json()["id"].as_str().unwrap().to_owned();
    let address = api.address;
    let subscribers = async |count: usize| {
        let counted = async {
            let words = format!("layer4_event_subscribers {count}\n");
            while !api.get("/metrics").await.body.contains(&words) {
                tokio::task::yield_now().await;
            }
        };
        // Sooner than the next write to a listener, which would fail.
        tokio::time::timeout(Duration::from_secs(10), counted).await.unwrap();
    };
    for _ in 0..3 {
        let wait = format!("GET /v1/tasks/{id}?wait=300s HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let gone = tokio::task::spawn_blocking(move || {
            ([(); 3].map(|()| listens(address)), [(); 3].map(|()| asks(address, &wait)))
        });
        let (listened, waited) = gone.await.unwrap();
        listened.into_iter().chain(waited).for_each(reset);
        subscribers(0).await;
    }
    // Six turns, which the nine that waited do not have any more.
    let free = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let mut listening = Vec::new();
        while listening.len() < 6 {
            let mut stream = asks(address, LISTENS);
            listening.extend((status(&mut stream) == Some(200)).then_some(stream));
            assert!(began.elapsed() < Duration::from_secs(10), "{} turns", listening.len());
        }
        listening
    });
    let listening = free.await.unwrap();
    subscribers(listening.len()).await;
    drop(api);
}

/// What may take long takes a turn as who waits does, so that it leaves room for
/// the rest; and its client gives it back by going.
#[test]
fn reloads_that_take_long_leave_room_and_end_with_their_clients() {
    let few = "max_connections = 8\n".to_owned();
    let echo = declare("echo", &guest_path("echo"), 1);
    let sleeps =
        declare("sleeps", &guest_path("hostile"), 1) + "parameters = { in_init = \"sleep\" }\n";
    let service = Service::start(Chimera::new(), &(few.clone() + &echo));
    service.rewrite(&(few + &echo + &sleeps));
    let address: SocketAddr = service.url().trim_start_matches("http://").parse().unwrap();
    let mut reloading: Vec<_> = (0..7).map(|_| asks(address, RELOADS)).collect();
    let submit = || {
        let body = json!({"target_agent_type": "echo", "payload": 1});
        let request = ureq::post(format!("{}/v1/tasks?wait=30s", service.url()));
        request.send_json(&body).unwrap().body_mut().read_json::<Value>().unwrap()
    };
    // One of seven is beyond the six that may wait; the others have begun before it.
    let began = Instant::now();
    let mut refused = String::new();
    while refused.is_empty() {
        for stream in &mut reloading {
            stream.set_nonblocking(true).unwrap();
            let mut answer = [0; 4096];
            if let Ok(length @ 1..) = stream.read(&mut answer) {
                refused = String::from_utf8_lossy(&answer[..length]).into_owned();
            }
        }
        assert!(began.elapsed() < SOON, "seven reloads wait");
    }
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("\"busy\""), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nretry-after: "), "{refused}");
    assert!(ureq::get(format!("{}/livez", service.url())).call().is_ok());
    assert!(submit().get("result").is_none(), "as if the time were over");
    reloading.into_iter().for_each(reset);
    let began = Instant::now();
    while submit().get("result").is_none() {
        assert!(began.elapsed() < SOON, "the reloads have their turns still");
    }
}
