//! A playground on the shipped model, and a client that needs no network.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use concepts::images::encode_png;
use denoised_weights::burn::tensor::Device;
use denoised_weights::{AdapterPredictor, Assets};
use denoised_weights_playground::{Access, Playground, Workbench};
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const HOST: &str = "127.0.0.1:7080";

pub(crate) struct Server {
    pub(crate) playground: Playground,
    pub(crate) router: Router,
    runtime: tokio::runtime::Runtime,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The sentence of a refusal with that status.
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

impl Server {
    /// With trainings in `dir`.
    pub(crate) fn open(dir: &Path) -> Self {
        Self::with_token(dir, None)
    }

    pub(crate) fn with_token(dir: &Path, token: Option<&str>) -> Self {
        Self::set_up(dir, token, |bench| bench)
    }

    /// With a workbench that `set_up` changes.
    pub(crate) fn set_up(
        dir: &Path,
        token: Option<&str>,
        set_up: impl FnOnce(Workbench) -> Workbench,
    ) -> Self {
        let assets = Assets::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"));
        let predictor = AdapterPredictor::load(&assets, &Device::flex()).unwrap();
        let bench = set_up(Workbench::new(predictor, assets).unwrap());
        let playground = Playground::open(bench, dir).unwrap();
        let access = Access::new(HOST.parse().unwrap(), token.map(str::to_owned)).unwrap();
        Self {
            router: playground.router(access),
            playground,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn send(&self, request: Request<Body>) -> Reply {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            Reply {
                status: parts.status,
                headers: parts.headers,
                body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
            }
        })
    }

    pub(crate) fn request(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path);
        self.send(request.header("host", HOST).body(body.into()).unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, Body::empty())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, path, body.to_string())
    }

    /// Adds `count` pairs of a photo and its negative; gives the number of the set.
    pub(crate) fn draft(&self, count: u32) -> u64 {
        let id = self.post("/api/drafts", &json!({})).json()["id"]
            .as_u64()
            .unwrap();
        for seed in 0..count {
            let mut picture = photo(64, 64, seed);
            for side in ["input", "target"] {
                let path = format!("/api/drafts/{id}/files?side={side}&name=p{seed:03}.png");
                let reply = self.request(Method::PUT, &path, png(&picture));
                assert_eq!(reply.status, StatusCode::OK);
                image::imageops::invert(&mut picture);
            }
        }
        id
    }

    /// Waits until the training is in a state.
    pub(crate) fn wait(&self, id: u64, state: &str) -> Value {
        self.wait_for(id, |training| {
            assert_ne!(training["state"], "failed", "{training}");
            training["state"] == state
        })
    }

    pub(crate) fn wait_for(&self, id: u64, ready: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let all = self.get("/api/trainings").json();
            let trainings = all["trainings"].as_array().unwrap();
            let training = trainings
                .iter()
                .find(|training| training["id"] == id)
                .unwrap();
            if ready(training) {
                return training.clone();
            }
            assert!(started.elapsed() < Duration::from_secs(300), "{training}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.playground.close();
    }
}

/// A picture of soft stripes.
pub(crate) fn photo(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f32, b: f32| {
            let phase = (a * x as f32 + b * y as f32) / height as f32 + seed as f32;
            (127.5 + 127.5 * (6.0 * phase).sin()) as u8
        };
        Rgb([wave(1.0, 0.3), wave(0.2, 1.0), wave(0.7, -0.7)])
    })
}

pub(crate) fn png(image: &RgbImage) -> Vec<u8> {
    encode_png(image, "photo.png".as_ref()).unwrap()
}
