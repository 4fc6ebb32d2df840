//! The server: its routes, its start and its end.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::api;
use crate::drafts::Drafts;
use crate::guard::{Access, guard};
use crate::limits;
use crate::training::Trainings;
use crate::workbench::Workbench;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) bench: Arc<Workbench>,
    pub(crate) trainings: Arc<Trainings>,
    pub(crate) drafts: Mutex<Drafts>,
    /// One computation for the page at a time; a training goes on beside it.
    pub(crate) computing: Arc<Semaphore>,
    pub(crate) uploading: Arc<Semaphore>,
    /// Requests that hold or wait for one of both.
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) followers: Arc<Semaphore>,
    /// Whether the server ends.
    pub(crate) closing: watch::Sender<bool>,
}

/// The page's server, before it listens.
#[derive(Clone)]
pub struct Playground {
    shared: Arc<Shared>,
}

impl Playground {
    /// Opens the folder of trainings, and goes on with those that another server's end interrupted.
    ///
    /// # Errors
    /// Returns [`Error::Busy`](denoised_weights::Error::Busy) if another server uses the folder, and the error of a file
    /// that cannot be read.
    pub fn open(bench: Workbench, trainings: &Path) -> Result<Self, denoised_weights::Error> {
        let bench = Arc::new(bench);
        Ok(Self {
            shared: Arc::new(Shared {
                trainings: Trainings::open(trainings, Arc::clone(&bench))?,
                bench,
                drafts: Mutex::default(),
                computing: Arc::new(Semaphore::new(1)),
                uploading: Arc::new(Semaphore::new(limits::UPLOADS_AT_ONCE)),
                waiting: Arc::new(Semaphore::new(limits::WAITING)),
                followers: Arc::new(Semaphore::new(limits::FOLLOWERS)),
                closing: watch::Sender::new(false),
            }),
        })
    }

    /// The page and its requests, for those whom `access` lets in.
    pub fn router(&self, access: Access) -> Router {
        let guarded = axum::middleware::from_fn_with_state(Arc::new(access), guard);
        api::router(Arc::clone(&self.shared)).layer(guarded)
    }

    /// Ends the pages' event streams and the running training, whose last epoch is saved.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
        self.shared.trainings.close();
    }
}

/// Answers on `listener` until `end` is there, then lets running requests finish and the training save its state.
///
/// # Errors
/// Returns the system's error if the address cannot be told.
pub async fn serve(
    listener: TcpListener,
    access: Access,
    playground: Playground,
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let access = access.at(listener.local_addr()?);
    let router = playground.router(access);
    let closing = playground.clone();
    let end = async move {
        end.await;
        closing.shared.closing.send_replace(true);
    };
    let listener = Limited {
        listener,
        connections: Arc::new(Semaphore::new(limits::CONNECTIONS)),
    };
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(end)
        .await;
    let closed = tokio::task::spawn_blocking(move || playground.close()).await;
    closed.map_err(std::io::Error::other)?;
    served
}

/// A listener that accepts no more than so many connections at a time.
struct Limited {
    listener: TcpListener,
    connections: Arc<Semaphore>,
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                continue;
            };
            // Axum's own accept waits and tries again if the system refuses.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let _ = stream.set_nodelay(true);
            let connection = Connection {
                stream,
                _permit: permit,
            };
            return (connection, address);
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that counts.
struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
