//! Hostile clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::Api;
use crate::harness::settings_with;

/// What is answered to these bytes, until the server closes or the answer is whole.
pub(super) async fn raw(address: SocketAddr, bytes: Vec<u8>) -> String {
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that has answered already may have closed; what it said can
        // be read all the same.
        let _ = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A client that is refused before it has sent all has its refusal, and its
/// connection, when it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    const LENGTH: usize = 8 << 20;
    let api = Api::new(&[]).await;
    let address = api.address;
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let status = |reader: &mut BufReader<TcpStream>| {
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                assert_ne!(reader.read_line(&mut line).unwrap(), 0, "it ended: {head:?}");
                if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
                    length = said.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            head.split(' ').nth(1).unwrap().to_owned()
        };
        let head = format!(
            "POST /v1/genomes?parent=7 HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/wasm\r\ncontent-length: {LENGTH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(status(&mut reader), "400");
        stream.write_all(&vec![0; LENGTH]).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        assert_eq!(status(&mut reader), "204");
    };
    tokio::task::spawn_blocking(ask).await.unwrap();
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_no_text_is_refused_in_words() {
    let api = Api::new(&["echo"]).await;
    let cases = [
        // Announced, and refused before it comes.
        (post("content-length: 99999999999", b""), "413", "too-large"),
        (post("content-length: 3", b"\"\xff\""), "400", "invalid-request"),
        (post("content-length: 12", b"{\"a\":1}"), "400", "invalid-request"),
        (post("content-length: 8", b"{\"\\ud800"), "400", "invalid-request"),
    ];
    for (bytes, status, code) in cases {
        let answer = raw(api.address, bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
    let chunk = vec![b' '; 1 << 20];
    let mut chunked = post("transfer-encoding: chunked", b"");
    for _ in 0..17 {
        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunked.extend(&chunk);
        chunked.extend(b"\r\n");
    }
    let answer = raw(api.address, chunked).await;
    // The rest may still be on its way when the answer is sent.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    let headers = format!("x: {}", "y".repeat(300_000));
    let answer = raw(api.address, post(&headers, b"")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = raw(api.address, b"GET /health\r\n\r\n".to_vec()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(api.get("/health").await.status, 200, "it goes on");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_connection_is_answered() {
    let api = Api::new(&["echo"]).await;
    let body = br#"{"target_agent_type":"echo","payload":"half"}"#;
    let length = format!("content-length: {}\r\nconnection: close", body.len());
    let bytes = post(&length, body);
    let waiting = String::from_utf8(bytes).unwrap().replace("/v1/tasks", "/v1/tasks?wait=20s");
    let answer = raw(api.address, waiting.into_bytes()).await;
    assert!(answer.contains(r#""output":"half""#), "{answer}");
    api.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_the_idle_make_way() {
    let api = Api::with(settings_with(|c| c.http.max_connections = 2), &[]).await;
    let address = api.address;
    let ask = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let hold = move || {
        let mut held = TcpStream::connect(address).unwrap();
        held.write_all(ask).unwrap();
        let _ = held.read(&mut [0; 1024]).unwrap();
        held
    };
    // Each is answered before the next comes, and stays open.
    let held = tokio::task::spawn_blocking(move || (hold(), hold())).await.unwrap();
    // The one that is idle for the longest time makes way for one more.
    let ended = tokio::task::spawn_blocking(move || {
        let (mut first, mut second) = held;
        let _third = hold();
        for held in [&first, &second] {
            held.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        let ended = first.read(&mut [0; 16]).map_or(true, |bytes| bytes == 0);
        second.write_all(ask).unwrap();
        (ended, second.read(&mut [0; 1024]).unwrap() > 0)
    });
    assert_eq!(ended.await.unwrap(), (true, true), "the first is closed, the second goes on");
    let bytes = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec();
    let free_again = async {
        while !raw(address, bytes.clone()).await.starts_with("HTTP/1.1 204") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), free_again).await.unwrap();
    api.end().await.unwrap();
}

/// Of those that wait for the rest of a body, the one whose client has been silent
/// for the longest time.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_waits_for_its_client_makes_way() {
    let api = Api::with(settings_with(|c| c.http.max_connections = 2), &["echo"]).await;
    let address = api.address;
    let body = br#"{"target_agent_type":"echo","payload":"late"}"#;
    let length = format!("expect: 100-continue\r\ncontent-length: {}", body.len());
    let half = move || {
        let mut half = TcpStream::connect(address).unwrap();
        half.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        half.write_all(&post(&length, b"")).unwrap();
        // The host asks for the body, so it waits for that.
        let mut asked = [0; 25];
        half.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        half
    };
    let halves = tokio::task::spawn_blocking(move || (half(), half())).await.unwrap();
    assert_eq!(api.get("/livez").await.status, 204);
    let ended = tokio::task::spawn_blocking(move || {
        let (mut first, mut second) = halves;
        let ended = first.read(&mut [0; 16]).map_or(true, |bytes| bytes == 0);
        second.write_all(body).unwrap();
        let mut status = [0; 12];
        second.read_exact(&mut status).unwrap();
        (ended, status)
    });
    assert_eq!(
        ended.await.unwrap(),
        (true, *b"HTTP/1.1 202"),
        "the first ends, the second goes on"
    );
    api.end().await.unwrap();
}

/// One beyond those that have requests under way is closed, without a word or by a reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_a_request_under_way_does_not_make_way() {
    let api = Api::with(settings_with(|c| c.http.max_connections = 1), &[]).await;
    let address = api.address;
    let answers = tokio::task::spawn_blocking(move || {
        let mut listens = TcpStream::connect(address).unwrap();
        let ask = b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
        listens.write_all(ask).unwrap();
        let _ = listens.read(&mut [0; 1024]).unwrap();
        let mut beyond = TcpStream::connect(address).unwrap();
        beyond.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = beyond.write_all(ask);
        let mut answer = String::new();
        let _ = beyond.read_to_string(&mut answer);
        listens.set_nonblocking(true).unwrap();
        (answer, listens.read(&mut [0; 1]).map_err(|error| error.kind()))
    });
    let (answer, listens) = answers.await.unwrap();
    assert_eq!(answer, "");
    assert_eq!(listens, Err(std::io::ErrorKind::WouldBlock), "it goes on listening");
    drop(api);
}

/// What is left over behind a request holds its answer up no more than it is
/// taken for another request.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_wait_for_what_comes_behind_its_request() {
    let api = Api::new(&[]).await;
    let address = api.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n\r\n").unwrap();
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    assert_eq!(answer.await.unwrap(), *b"HTTP/1.1 204 No ");
    let answer = raw(address, b"GET /\0 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    api.end().await.unwrap();
}

/// Bodies that are announced and do not come take no room from others.
#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_hold_up_no_other_client() {
    let api = Api::new(&["echo"]).await;
    let address = api.address;
    let silent = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&post("content-length: 16000000", b"[")).unwrap();
        stream
    };
    let held: Vec<_> = (0..100).map(|_| silent()).collect();
    let body = serde_json::json!({ "target_agent_type": "echo", "payload": 1 });
    let started = std::time::Instant::now();
    assert_eq!(api.post("/v1/tasks?wait=30s", body).await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    drop(held);
    api.end().await.unwrap();
}

/// Large bodies that stop before their end hold up no ordinary request.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_that_do_not_end_hold_up_no_small_ones() {
    let api = Api::new(&["echo"]).await;
    let address = api.address;
    let stalled = move |bytes: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        let body = vec![b' '; bytes];
        stream.write_all(&post(&format!("content-length: {}", bytes + 2), &body)).unwrap();
        stream
    };
    // All the room that there is for bodies.
    let held = tokio::task::spawn_blocking(move || {
        [15, 15, 15, 15, 3].map(|mib: usize| stalled((mib << 20) - 4096))
    });
    let held = held.await.unwrap();
    let body = serde_json::json!({ "target_agent_type": "echo", "payload": 1 });
    let started = std::time::Instant::now();
    assert_eq!(api.post("/v1/tasks?wait=30s", body).await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop(held);
    api.end().await.unwrap();
}

/// Those who wait have their connections until then, so those who do not wait have
/// some that these cannot take.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_does_not_take_every_connection() {
    let api = Api::with(settings_with(|c| c.http.max_connections = 8), &["echo"]).await;
    let later = serde_json::json!({ "target_agent_type": "echo", "payload": 1,
        "not_before": "2999-01-01T00:00:00Z" });
    let id = api.post("/v1/tasks", later).await.json()["id"].as_str().unwrap().to_owned();
    let address = api.address;
    let path = format!("/v1/tasks/{id}?wait=300s");
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let wait = move || {
        let mut waits = TcpStream::connect(address).unwrap();
        waits.write_all(ask.as_bytes()).unwrap();
        waits
    };
    let waiting = tokio::task::spawn_blocking(move || [(); 6].map(|()| wait()));
    let _waiting = waiting.await.unwrap();
    let all_wait = async {
        // One more that would wait is answered at once when six do.
        while tokio::time::timeout(Duration::from_millis(500), api.get(&path)).await.is_err() {}
    };
    tokio::time::timeout(Duration::from_secs(60), all_wait).await.unwrap();
    assert_eq!(api.get("/livez").await.status, 204);
    drop(api);
}

/// Listeners have their connections for ever, so they leave some to others, too.
#[tokio::test(flavor = "multi_thread")]
async fn who_listens_does_not_take_every_connection() {
    let api = Api::with(settings_with(|c| c.http.max_connections = 8), &[]).await;
    let address = api.address;
    let ask = b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let listen = move || {
        let mut listens = TcpStream::connect(address).unwrap();
        listens.write_all(ask).unwrap();
        let mut head = [0; 12];
        listens.read_exact(&mut head).unwrap();
        (listens, String::from_utf8(head.to_vec()).unwrap())
    };
    let heads = tokio::task::spawn_blocking(move || {
        let listening: Vec<_> = (0..7).map(|_| listen()).collect();
        let heads = listening.iter().map(|(_, head)| head.clone()).collect::<Vec<_>>();
        (listening, heads)
    });
    let (_listening, heads) = heads.await.unwrap();
    assert!(heads[..6].iter().all(|head| head == "HTTP/1.1 200"), "{heads:?}");
    assert_eq!(heads[6], "HTTP/1.1 503");
    assert_eq!(api.get("/livez").await.status, 204);
    drop(api);
}
