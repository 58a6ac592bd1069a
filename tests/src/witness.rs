//! An HTTP endpoint that remembers what was posted to it: a destination of events.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;

/// A listener on a port of its own. It listens until the process ends.
#[derive(Clone, Debug)]
pub struct Witness {
    url: String,
    posted: Arc<Mutex<Vec<Value>>>,
    refuses: Arc<AtomicBool>,
}

impl Witness {
    /// Begins to listen.
    ///
    /// # Panics
    /// There is no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/results", listener.local_addr().expect("an address"));
        let witness = Self { url, posted: Arc::default(), refuses: Arc::default() };
        let listening = witness.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let witness = listening.clone();
                // A client that goes away in the middle has posted nothing.
                thread::spawn(move || witness.serve(stream));
            }
        });
        witness
    }

    /// Its `HOST:PORT`, for the setting `event-http-hosts`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/results")
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it answers that it is out of order, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// What it took, in order.
    #[must_use]
    pub fn posted(&self) -> Vec<Value> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut writer = stream;
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let status = if self.refuses.load(Ordering::SeqCst) {
                "503 Service Unavailable"
            } else {
                let value = serde_json::from_slice(&body).ok()?;
                self.posted.lock().unwrap_or_else(PoisonError::into_inner).push(value);
                "200 OK"
            };
            write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }
}
