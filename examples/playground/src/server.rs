//! The server: its routes, its start and its end.

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

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

/// Without the trainings and the requests.
impl fmt::Debug for Playground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playground")
            .field("bench", &self.shared.bench)
            .finish_non_exhaustive()
    }
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
    answer(listener, router, limits::ARRIVAL, end).await;
    let closed = tokio::task::spawn_blocking(move || playground.close()).await;
    closed.map_err(std::io::Error::other)
}

/// Answers with `router` until `end` is there and the requests that have begun are answered. At most
/// [`limits::CONNECTIONS`] are open at a time. A connection on which no request begins, or its header does not arrive, within
/// `patience` is closed, so that idle ones cannot keep others out.
async fn answer(
    listener: TcpListener,
    router: Router,
    patience: Duration,
    end: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let open = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let mut end = pin!(end);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut end => break,
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, for example.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _permit = permit;
            // It was the client that broke the connection off, or was too slow.
            let _ = connection.await;
        });
    }
    drop(listener);
    open.shutdown().await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use axum::routing::get;

    use super::*;

    /// What the server answers to `request` until it closes the connection.
    async fn said(address: SocketAddr, request: &'static str) -> String {
        let talk = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        tokio::task::spawn_blocking(talk).await.unwrap()
    }

    #[tokio::test]
    async fn slow_and_idle_connections_are_closed_and_requests_are_answered_to_the_end() {
        let slowly = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "answered"
        };
        let router = Router::new().route("/", get(slowly));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ender, ended) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(answer(
            listener,
            router,
            Duration::from_millis(300),
            async {
                let _ = ended.await;
            },
        ));
        // Half a header, nothing at all, and a request after which the connection stays idle: all are closed.
        let half = said(address, "GET / HTTP/1.1\r\nHost:").await;
        assert!(!half.contains("answered"), "{half}");
        assert_eq!(said(address, "").await, "");
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(said(address, request).await.ends_with("answered"));
        // The end waits for a request that has begun.
        let last = tokio::spawn(said(address, request));
        tokio::time::sleep(Duration::from_millis(200)).await;
        ender.send(()).unwrap();
        server.await.unwrap();
        assert!(last.await.unwrap().ends_with("answered"));
    }
}
