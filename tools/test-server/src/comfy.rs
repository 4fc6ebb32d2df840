//! ComfyUI's routes, after its server.py and execution.py: uploads, queue, history, view.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::{Reply, Request, fake_edit, json as reply, ok, png, status};

#[derive(Debug, Default)]
pub struct Comfy {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<String, Vec<u8>>,
    /// id, graph, looks left until it is done.
    queue: Vec<(String, Value, usize)>,
    history: HashMap<String, Value>,
    executed: Vec<String>,
    /// Jobs that fail before one succeeds.
    failing: usize,
    /// Looks at the queue or history until a job is done.
    looks: usize,
}

impl Comfy {
    pub fn new(looks: usize, failing: usize) -> Self {
        let comfy = Self::default();
        comfy.state.lock().unwrap().looks = looks;
        comfy.state.lock().unwrap().failing = failing;
        comfy
    }

    /// The ids of the jobs that were run, in order.
    pub fn executed(&self) -> Vec<String> {
        self.state.lock().unwrap().executed.clone()
    }

    pub fn files(&self) -> usize {
        self.state.lock().unwrap().files.len()
    }

    pub fn serve(&self, request: &Request) -> Reply {
        let mut state = self.state.lock().unwrap();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match (request.method.as_str(), path) {
            ("POST", "/upload/image") => {
                let mut parts = request.parts();
                let (name, bytes) = parts.remove("image").unwrap();
                let name = name.unwrap();
                assert_eq!(parts["type"].1, b"input");
                assert_eq!(parts["overwrite"].1, b"true");
                state.files.insert(name.clone(), bytes);
                reply(json!({ "name": name, "subfolder": "", "type": "input" }))
            }
            ("POST", "/prompt") => {
                let body = request.json();
                let Some(graph) = body.get("prompt") else {
                    let error = json!({
                        "type": "no_prompt", "message": "No prompt provided",
                        "details": "No prompt provided", "extra_info": {},
                    });
                    return status(400, json!({ "error": error, "node_errors": {} }));
                };
                let id = body["prompt_id"].as_str().unwrap().to_owned();
                let looks = state.looks;
                state.queue.push((id.clone(), graph.clone(), looks));
                reply(json!({ "prompt_id": id, "number": 3, "node_errors": {} }))
            }
            ("GET", "/queue") => {
                state.work();
                let jobs: Vec<Value> = state
                    .queue
                    .iter()
                    .map(|(id, graph, _)| json!([3, id, graph, {}, ["8"]]))
                    .collect();
                let (running, pending) = jobs.split_at(jobs.len().min(1));
                reply(json!({ "queue_running": running, "queue_pending": pending }))
            }
            ("GET", path) if path.starts_with("/history/") => {
                state.work();
                let id = &path["/history/".len()..];
                match state.history.get(id) {
                    Some(entry) => reply(json!({ id: entry })),
                    None => reply(json!({})),
                }
            }
            ("GET", "/view") => {
                assert!(query.contains("&subfolder=&type=output"), "{query}");
                let name = query.split('&').next().unwrap();
                let name = name.trim_start_matches("filename=").replace("%20", " ");
                match state.files.get(&name) {
                    Some(bytes) => ok(bytes.clone()),
                    None => status(404, json!({})),
                }
            }
            other => panic!("{other:?} is no route of ComfyUI"),
        }
    }
}

impl State {
    /// Finishes the first job once it has been looked at often enough.
    fn work(&mut self) {
        let Some(job) = self.queue.first_mut() else {
            return;
        };
        if job.2 > 0 {
            job.2 -= 1;
            return;
        }
        let (id, graph, _) = self.queue.remove(0);
        self.executed.push(id.clone());
        if self.failing > 0 {
            self.failing -= 1;
            let message = json!(["execution_error", {
                "prompt_id": id, "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError",
                "exception_message": "Allocation on device",
            }]);
            self.history.insert(
                id,
                json!({
                    "prompt": [], "outputs": {},
                    "status": { "status_str": "error", "completed": false, "messages": [message] },
                }),
            );
            return;
        }
        let find = |class: &str| {
            let nodes = graph.as_object().unwrap();
            nodes
                .values()
                .find(|node| node["class_type"] == class)
                .unwrap()["inputs"]
                .clone()
        };
        let input = find("LoadImage")["image"].as_str().unwrap().to_owned();
        let seed = find("KSampler")["seed"]
            .as_u64()
            .expect("the seed is a number");
        let name = format!("concepts {:05}_.png", self.executed.len());
        let edited = png(&fake_edit(&self.files[&input], seed));
        self.files.insert(name.clone(), edited);
        let temporary = json!({ "filename": "preview.png", "subfolder": "", "type": "temp" });
        let saved = json!({ "filename": name, "subfolder": "", "type": "output" });
        self.history.insert(
            id.clone(),
            json!({
                "prompt": [3, id, graph, {}, ["8"]],
                "outputs": { "11": { "images": [temporary] }, "8": { "images": [saved] } },
                "status": { "status_str": "success", "completed": true, "messages": [] },
            }),
        );
    }
}
