//! An HTTP endpoint that remembers what was posted to it: a destination of events.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};
use serde_json::Value;

/// A listener on a port of its own. It listens until the process ends.
#[derive(Clone, Debug)]
pub struct Witness {
    url: String,
    host: String,
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
        Self::listen("http", "127.0.0.1", |witness, stream| witness.serve(stream))
    }

    /// Begins to listen for TLS, as `localhost`, with a certificate of an authority that nobody knows. Writes the authority's
    /// certificate to a file.
    ///
    /// # Panics
    /// There is no port, or the file can't be written.
    #[must_use]
    pub fn start_secured(authority: &Path) -> Self {
        let config = Arc::new(certified(authority));
        Self::listen("https", "localhost", move |witness, stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            witness.serve(StreamOwned::new(connection, stream))
        })
    }

    fn listen(
        scheme: &str,
        name: &str,
        serve: impl Fn(&Self, TcpStream) -> Option<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = format!("{name}:{}", listener.local_addr().expect("an address").port());
        let url = format!("{scheme}://{host}/results");
        let witness = Self { url, host, posted: Arc::default(), refuses: Arc::default() };
        let (listening, serve) = (witness.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (witness, serve) = (listening.clone(), Arc::clone(&serve));
                // A client that goes away in the middle has posted nothing.
                thread::spawn(move || serve(&witness, stream));
            }
        });
        witness
    }

    /// Its `HOST:PORT`, for the setting `event-http-hosts`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
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

    fn serve(&self, stream: impl Read + Write) -> Option<()> {
        let mut reader = BufReader::new(stream);
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
            let writer = reader.get_mut();
            write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").ok()?;
            writer.flush().ok()?;
        }
    }
}

/// What a server for `localhost` needs.
fn certified(authority: &Path) -> ServerConfig {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate of the authority");
    std::fs::write(authority, certificate.pem()).expect("write the authority's certificate");
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a server's settings")
}
