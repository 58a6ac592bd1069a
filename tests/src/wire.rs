//! A connection between the daemon and a server, which a test can cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes connections on to a server on loopback. Ends with this value.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    passing: JoinHandle<()>,
}

impl Wire {
    /// A wire to a port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let is_cut = watch::Sender::new(false);
        let passing = tokio::spawn(pass(listener, port, is_cut.subscribe()));
        Self { address, is_cut, passing }
    }

    /// What the daemon finds the server by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections. New ones are closed at once.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// New connections are passed on again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

async fn pass(listener: TcpListener, port: u16, is_cut: watch::Receiver<bool>) {
    // Connections end with the set, and the set with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut is_cut = is_cut.clone();
        connections.spawn(async move {
            let passing = async {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                copy_bidirectional(&mut client, &mut server).await
            };
            tokio::select! {
                // A connection that breaks is noticed by who made it.
                _ = passing => {}
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
    }
}
