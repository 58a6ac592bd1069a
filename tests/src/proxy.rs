//! A socket between the daemon and the Docker Engine, so that a test can count calls, hold them up, and hide an image.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;

use crate::engine;

/// Long for the head of a request to the engine.
const HEAD_LIMIT: usize = 64 * 1024;

/// The engine's socket as the daemon sees it. Ends with this value.
#[derive(Debug)]
pub struct EngineProxy {
    directory: tempfile::TempDir,
    state: Arc<State>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    requests: AtomicUsize,
    held: AtomicBool,
    hidden: Mutex<Option<String>>,
}

impl EngineProxy {
    /// Begins to pass calls on. By a thread of its own: a daemon needs its engine to the end, when the test's own
    /// thread does nothing but wait for it.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("thaw-e2e-engine-").tempdir().expect("a directory");
        let socket = directory.path().join("docker.sock");
        let (state, stop) = (Arc::new(State::default()), CancellationToken::new());
        let (shared, stopped) = (Arc::clone(&state), stop.clone());
        let (listening, listens) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = UnixListener::bind(socket).expect("a socket");
                listening.send(()).expect("the test waits");
                stopped.run_until_cancelled(accept(listener, shared)).await;
            });
        });
        listens.recv().expect("the proxy listens");
        Self { directory, state, stop, thread: Some(thread) }
    }

    /// The socket to give to the daemon.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        Path::new(self.directory.path()).join("docker.sock")
    }

    /// Requests until now.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// From now on requests get no answer, as if the engine hung.
    pub fn hold(&self) {
        self.state.held.store(true, Ordering::SeqCst);
    }

    /// Requests are answered again, those that were held up first.
    pub fn release(&self) {
        self.state.held.store(false, Ordering::SeqCst);
    }

    /// From now on requests about the image get the answer that there is none.
    pub fn hide_image(&self, image: &str) {
        *self.state.hidden.lock().unwrap_or_else(PoisonError::into_inner) = Some(image.to_owned());
    }
}

impl Drop for EngineProxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the proxy before the engine panicked");
        }
    }
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    // Connections end with the set, and the set with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A connection that breaks ends a request; whoever made it notices.
        connections.spawn(async move { serve(client, &state).await });
    }
}

/// Serves one request: it is told to the engine that the connection ends with it, so that the next comes by another.
async fn serve(mut client: UnixStream, state: &State) -> std::io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if head.len() > HEAD_LIMIT || client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    state.requests.fetch_add(1, Ordering::SeqCst);
    while state.held.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let line = String::from_utf8_lossy(&head[..end]).lines().next().unwrap_or_default().replace("%2F", "/");
    let hidden = state.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if hidden.is_some_and(|image| line.contains(&format!("/images/{image}"))) {
        let body = r#"{"message":"no such image"}"#;
        let answer = format!(
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        return client.write_all(answer.as_bytes()).await;
    }
    let mut engine = UnixStream::connect(engine::socket()).await?;
    engine.write_all(&head[..end]).await?;
    engine.write_all(b"\r\nConnection: close").await?;
    engine.write_all(&head[end..]).await?;
    copy_bidirectional(&mut client, &mut engine).await?;
    Ok(())
}
