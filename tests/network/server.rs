//! A server that counts every byte of its connections, TLS apart, and answers
//! as the path says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What TLS begins with.
const TLS_HANDSHAKE: u8 = 22;

/// Ends when it is dropped.
pub(super) struct Server {
    port: u16,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// What it has seen so far.
#[derive(Default)]
struct Seen {
    received: AtomicU64,
    sent: AtomicU64,
    /// Connections.
    opened: watch::Sender<u64>,
    closed: watch::Sender<u64>,
    /// Requests whose head is there.
    asked: watch::Sender<u64>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(None).await
    }

    /// One that speaks TLS, or HTTP in the clear.
    pub(super) async fn with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let seeing = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seeing.opened.send_modify(|count| *count += 1);
                let (tls, seen) = (tls.clone(), Arc::clone(&seeing));
                tokio::spawn(async move {
                    match tls {
                        None => Connection { stream, seen }.serve().await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            Connection { stream, seen }.serve().await;
                        }
                    }
                });
            }
        });
        Self { port, seen, accepting }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Its address and port.
    pub(super) fn to(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.to())
    }

    /// Received and sent.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.seen.received.load(SeqCst), self.seen.sent.load(SeqCst))
    }

    pub(super) fn opened(&self) -> u64 {
        *self.seen.opened.borrow()
    }

    pub(super) async fn until_opened(&self, count: u64) {
        self.seen.opened.subscribe().wait_for(|opened| *opened >= count).await.unwrap();
    }

    /// Until the other side has closed so many.
    pub(super) async fn until_closed(&self, count: u64) {
        self.seen.closed.subscribe().wait_for(|closed| *closed >= count).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Connection<S> {
    stream: S,
    seen: Arc<Seen>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn serve(mut self) {
        let Some((path, body)) = self.request().await else { return };
        self.seen.asked.send_modify(|count| *count += 1);
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (what, more) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let amount = more.parse().unwrap_or(0);
        match what {
            "echo" => self.answer(&"u".repeat(body)).await,
            "count" => self.answer(&body.to_string()).await,
            "bytes" => self.answer(&"x".repeat(amount)).await,
            "redirect" => {
                let head = format!("HTTP/1.1 302 Found\r\nlocation: http://{more}\r\n");
                self.write(format!("{head}content-length: 0\r\n\r\n").as_bytes()).await;
            }
            "gather" => {
                let mut asked = self.seen.asked.subscribe();
                asked.wait_for(|asked| *asked >= amount as u64).await.unwrap();
                self.answer("all here").await;
            }
            "garbage" => self.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await,
            "head" => {
                let wide = "h".repeat(amount);
                self.write(format!("HTTP/1.1 200 OK\r\nx-wide: {wide}\r\n\r\n").as_bytes()).await;
            }
            "short" => self.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nxx").await,
            "drip" => {
                self.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx").await;
                self.hang().await;
            }
            "hang" => self.hang().await,
            _ => {} // Closes.
        }
        if ["echo", "count", "bytes", "redirect", "gather", "head"].contains(&what) {
            self.hang().await;
        }
    }

    /// Says nothing until the other side has closed.
    async fn hang(&mut self) {
        let mut rest = [0; 1024];
        while matches!(self.stream.read(&mut rest).await, Ok(1..)) {}
        self.seen.closed.send_modify(|count| *count += 1);
    }

    async fn answer(&mut self, body: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        self.write(format!("{head}{body}").as_bytes()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        // Counted first: a client that has read them all may look at the count.
        self.seen.sent.fetch_add(bytes.len() as u64, SeqCst);
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The path, and the bytes of the body. A body comes in chunks, since the
    /// guest does not say how long it is.
    async fn request(&mut self) -> Option<(String, usize)> {
        let mut all = Vec::new();
        let mut block = [0; 4096];
        let (head, chunked) = loop {
            let end = all.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            if let Some(end) = end {
                let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
                break (end, head.contains("transfer-encoding: chunked"));
            }
            self.read(&mut all, &mut block).await?;
            if all.starts_with(&[TLS_HANDSHAKE]) {
                self.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                return None;
            }
        };
        while chunked && !all[head..].ends_with(b"0\r\n\r\n") {
            self.read(&mut all, &mut block).await?;
        }
        let first = String::from_utf8_lossy(&all[..head]).into_owned();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        Some((path, all[head..].iter().filter(|byte| **byte == b'u').count()))
    }

    async fn read(&mut self, all: &mut Vec<u8>, block: &mut [u8]) -> Option<()> {
        let bytes = self.stream.read(block).await.ok().filter(|bytes| *bytes > 0)?;
        self.seen.received.fetch_add(bytes as u64, SeqCst);
        all.extend_from_slice(&block[..bytes]);
        Some(())
    }
}
