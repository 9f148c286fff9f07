//! A server that speaks the OpenAI and the Ollama protocol, and says what a test tells it to.

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Says this, in pieces.
    Text(String),
    /// Says this in one document instead of a stream (OpenAI).
    Whole(String),
    /// Does not answer at all until the client goes.
    Silence,
    /// Says a character now and then, without an end.
    Drip,
    /// Says more and more.
    Flood,
    /// Sends one line without an end.
    EndlessLine,
    /// Ends in the middle of a sentence.
    Cut,
    /// Promises more bytes than it sends.
    Short,
    /// Sends these bytes as its body.
    Raw(&'static str),
    /// Another status, with this body.
    Status(u16, String),
    /// Sends the client elsewhere.
    Redirect(String),
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub head: String,
    pub body: Value,
}

pub struct Stub {
    pub port: u16,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Stub::start(replies, None)
    }

    /// With TLS, by a certificate for 127.0.0.1 that it returns in PEM.
    pub fn tls(replies: impl IntoIterator<Item = Reply>) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a server's configuration");
        (Stub::start(replies, Some(Arc::new(config))), made.cert.pem())
    }

    fn start(replies: impl IntoIterator<Item = Reply>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let replies: Arc<Mutex<VecDeque<Reply>>> = Arc::new(Mutex::new(replies.into_iter().collect()));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (scheme, noted) = (if tls.is_some() { "https" } else { "http" }, asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (replies, noted, tls) = (replies.clone(), noted.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &replies, &noted),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a connection");
                        serve(StreamOwned::new(connection, stream), &replies, &noted);
                    }
                });
            }
        });
        Stub { port, scheme, asked }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request; the client may go at any moment.
fn serve(mut stream: impl Read + Write, replies: &Mutex<VecDeque<Reply>>, noted: &Mutex<Vec<Asked>>) {
    let Some(asked) = request(&mut stream) else { return };
    let ollama = asked.path.ends_with("/api/chat");
    noted.lock().unwrap().push(asked);
    let reply = replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(500, "no more replies".to_owned()));
    let _ = answer(&mut stream, ollama, reply);
    let _ = stream.flush();
}

fn request(stream: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = head.split_whitespace().nth(1)?.to_owned();
    Some(Asked { path, head, body: serde_json::from_slice(&body).ok()? })
}

/// A piece of an answer in the protocol.
fn piece(ollama: bool, text: &str) -> String {
    if ollama {
        format!("{}\n", json!({"model": "stub", "message": {"role": "assistant", "content": text}, "done": false}))
    } else {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]}))
    }
}

fn end(ollama: bool) -> String {
    if ollama {
        format!("{}\n", json!({"model": "stub", "message": {"role": "assistant", "content": ""}, "done": true}))
    } else {
        "data: [DONE]\n\n".to_owned()
    }
}

fn answer(stream: &mut impl Write, ollama: bool, reply: Reply) -> std::io::Result<()> {
    let kind = if ollama { "application/x-ndjson" } else { "text/event-stream" };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    match reply {
        Reply::Text(text) => {
            stream.write_all(head.as_bytes())?;
            if !ollama {
                stream.write_all(b": a comment\nevent: message\n\n")?;
            }
            let letters: Vec<char> = text.chars().collect();
            for some in letters.chunks(7) {
                stream.write_all(piece(ollama, &some.iter().collect::<String>()).as_bytes())?;
                stream.flush()?;
            }
            stream.write_all(end(ollama).as_bytes())
        }
        Reply::Whole(text) => {
            let body = json!({"choices": [{"message": {"role": "assistant", "content": text}}]}).to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        }
        Reply::Short => {
            let body = piece(ollama, "SELECT ");
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 1000\r\n\r\n{body}")
        }
        Reply::Silence => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Reply::Drip => {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(piece(ollama, "x").as_bytes())?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Reply::Flood => {
            stream.write_all(head.as_bytes())?;
            let much = piece(ollama, &"SELECT ".repeat(1000));
            loop {
                stream.write_all(much.as_bytes())?;
            }
        }
        Reply::EndlessLine => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(if ollama { b"{\"message\": \"" } else { b"data: \"" })?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
        Reply::Cut => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(piece(ollama, "```sql\nSELECT coun").as_bytes())
        }
        Reply::Raw(body) => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())
        }
        Reply::Status(status, body) => {
            write!(stream, "HTTP/1.1 {status} No\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        Reply::Redirect(to) => {
            write!(stream, "HTTP/1.1 307 Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
        }
    }
}
