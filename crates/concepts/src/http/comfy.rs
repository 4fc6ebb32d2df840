use std::time::{Duration, Instant};

use image::RgbImage;
use serde_json::{Value, json};

use super::canvas;
use super::client::Client;
use super::comfy_reply::{Job, Output, in_queue, job_id, queued_id, read_history, uploaded_name};
use super::credentials::Credentials;
use super::reply;
use super::request::{Request, encode};
use super::settings::HttpSettings;
use super::workflow::{Inputs, Workflow};
use crate::{Error, ImageEditor, ServerError, store};

/// What a [`ComfyEditor`] asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ComfySettings {
    /// The text sent, with `{prompt}` where the concept's goes.
    pub template: String,
    /// What the image should not show.
    pub negative_prompt: String,
    /// The shorter side of the uploaded photo, in pixels; results are scaled back. Default: 512.
    pub side: u32,
    /// The node whose image counts. Default: the first with one, saved images before previews.
    pub output_node: Option<String>,
    /// Time between two looks at the history. Default: 1 s.
    pub poll: Duration,
    /// The longest time for one edit, waiting in the server's queue included. Default: 30 minutes.
    pub job_timeout: Duration,
}

impl Default for ComfySettings {
    fn default() -> Self {
        Self {
            template: "{prompt}".to_owned(),
            negative_prompt: String::new(),
            side: 512,
            output_node: None,
            poll: Duration::from_secs(1),
            job_timeout: Duration::from_secs(1800),
        }
    }
}

/// Jobs of one edit that are looked for on the server; its history holds no more.
const MOST_JOBS: u32 = 10_000;

/// What came of a job.
enum Tried {
    Edited(RgbImage),
    /// It had failed when this call came.
    FailedBefore(ServerError),
    Failed(ServerError),
}

/// ComfyUI: `/upload/image`, `/prompt`, `/history/{id}`, `/queue`, `/view`.
///
/// The job's id is derived from the workflow, the photo, the prompt and the seed, and the server is asked for it
/// before it is queued: after a broken connection or a killed run the server's finished job is fetched and not run
/// again. (Servers from before mid-2025 choose ids themselves; then such a job runs twice there, and one result
/// counts.)
///
/// ```no_run
/// use concepts::http::{ComfyEditor, ComfySettings, Credentials, HttpSettings, Workflow};
/// use concepts::ImageEditor;
///
/// let variables = [("checkpoint".to_owned(), "v1-5-pruned-emaonly.safetensors".to_owned())].into();
/// let editor = ComfyEditor::new(
///     "comfy", "http://127.0.0.1:8188", Workflow::new(Workflow::IMAGE_TO_IMAGE, &variables)?,
///     ComfySettings::default(), HttpSettings::default(), Credentials::none(),
/// )?;
/// let edited = editor.edit(&image::RgbImage::new(256, 256), "charcoal sketch", 7)?;
/// # Ok::<(), concepts::Error>(())
/// ```
#[derive(Debug)]
pub struct ComfyEditor {
    client: Client,
    workflow: Workflow,
    settings: ComfySettings,
}

impl ComfyEditor {
    /// An editor named `name` (for reports and file names) behind the server at `address`.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::BadSetting`]. The server is not asked.
    pub fn new(
        name: &str,
        address: &str,
        workflow: Workflow,
        settings: ComfySettings,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        canvas::check(&settings.template, settings.side)?;
        Ok(Self {
            client: Client::new(name, address, http, credentials)?,
            workflow,
            settings,
        })
    }

    fn run(&self, png: &[u8], graph: &Value) -> Result<RgbImage, ServerError> {
        let digest = store::sha256_parts(&[png, graph.to_string().as_bytes()]);
        let (mut failed, mut last) = (0, None);
        // A failed job stays in the history under its id; the next number has another. Those that an earlier call
        // left there say nothing about this one, and do not count.
        for number in 0..MOST_JOBS {
            match self.job(&digest, number, graph)? {
                Tried::Edited(image) => return Ok(image),
                Tried::FailedBefore(error) => last = Some(error),
                Tried::Failed(error) => {
                    failed += 1;
                    last = Some(error);
                    if failed == self.client.settings().attempts {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| reply::bad("no attempt was made")))
    }

    fn job(&self, digest: &[u8; 32], number: u32, graph: &Value) -> Result<Tried, ServerError> {
        let start = Instant::now();
        let mut id = job_id(digest, number);
        // First the queue and then the history: a job moves from the one to the other, so it is in one of them unless
        // it is in neither.
        let known = if self.queued(&id)? {
            Job::Unknown
        } else {
            let job = self.history(&id)?;
            if matches!(job, Job::Unknown) {
                id = self.submit(&id, graph)?;
            }
            job
        };
        let (output, before) = match known {
            Job::Done(output) => (output, true),
            Job::Failed(error) => return Ok(Tried::FailedBefore(error)),
            Job::Unknown => match self.wait(&id, start) {
                Ok(output) => (output, false),
                Err(error @ ServerError::Job { .. }) => return Ok(Tried::Failed(error)),
                Err(error) => return Err(error),
            },
        };
        let path = format!(
            "/view?filename={}&subfolder={}&type={}",
            encode(&output.filename),
            encode(&output.subfolder),
            encode(&output.kind)
        );
        match self.client.call(&Request::get(path), reply::image) {
            Ok(answer) => Ok(Tried::Edited(answer.value)),
            // The history remembers a file that somebody removed.
            Err(error) if matches!(error.last(), ServerError::Status { status: 404, .. }) => {
                let error = ServerError::Job {
                    message: format!("its result {:?} is gone", reply::shorten(&output.filename)),
                };
                Ok(if before {
                    Tried::FailedBefore(error)
                } else {
                    Tried::Failed(error)
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Queues the job; gives the id that the server knows it by.
    fn submit(&self, id: &str, graph: &Value) -> Result<String, ServerError> {
        let request = Request::json(
            "/prompt",
            &json!({ "prompt": graph, "prompt_id": id, "client_id": "concepts" }),
        );
        self.client.admit()?;
        let (mut attempt, mut unanswered) = (0, 0);
        loop {
            attempt += 1;
            let error = match self.client.once(&request).and_then(|body| queued_id(&body)) {
                Ok(id) => return Ok(id),
                Err(error) => error,
            };
            let may_have_run = error.may_have_run();
            unanswered += u32::from(may_have_run);
            self.client.pause(attempt, unanswered, error)?;
            // The request may have arrived although its answer did not.
            if may_have_run && (self.queued(id)? || !matches!(self.history(id)?, Job::Unknown)) {
                return Ok(id.to_owned());
            }
        }
    }

    fn wait(&self, id: &str, start: Instant) -> Result<Output, ServerError> {
        while self.queued(id)? {
            if start.elapsed().saturating_add(self.settings.poll) > self.settings.job_timeout {
                return Err(ServerError::Timeout {
                    timeout: self.settings.job_timeout,
                });
            }
            std::thread::sleep(self.settings.poll);
        }
        match self.history(id)? {
            Job::Done(output) => Ok(output),
            Job::Failed(error) => Err(error),
            Job::Unknown => Err(ServerError::Job {
                message: "it is neither in the queue nor in the history; was the server restarted or the queue \
                          cleared?"
                    .to_owned(),
            }),
        }
    }

    fn history(&self, id: &str) -> Result<Job, ServerError> {
        let request = Request::get(format!("/history/{}", encode(id)));
        let node = self.settings.output_node.as_deref();
        self.client
            .call(&request, |body| read_history(body, id, node))
            .map(|answer| answer.value)
    }

    fn queued(&self, id: &str) -> Result<bool, ServerError> {
        self.client
            .call(&Request::get("/queue"), |body| in_queue(body, id))
            .map(|answer| answer.value)
    }
}

impl ImageEditor for ComfyEditor {
    fn name(&self) -> &str {
        self.client.name()
    }

    /// # Errors
    /// [`Error::Server`] when no attempt gave an image.
    fn edit(&self, photo: &RgbImage, prompt: &str, seed: u64) -> Result<RgbImage, Error> {
        let size = canvas::working_size(photo, self.settings.side);
        let png = canvas::enlarge(photo, size)?;
        // Named by content: the same photo is stored once, and nobody's file is overwritten.
        let name = format!("concepts-{}.png", &store::sha256(&png)[..32]);
        let upload = Request::upload(
            "/upload/image",
            &name,
            &png,
            &[("type", "input"), ("overwrite", "true")],
        );
        let (width, height) = photo.dimensions();
        self.client
            .call(&upload, uploaded_name)
            .and_then(|answer| {
                let graph = self.workflow.fill(&Inputs {
                    image: &answer.value,
                    prompt: &canvas::word(&self.settings.template, prompt),
                    negative_prompt: &self.settings.negative_prompt,
                    seed,
                    size,
                });
                reply::fit(self.run(&png, &graph)?, width, height)
            })
            .map_err(|error| self.client.fail(error))
    }

    fn parameters(&self) -> Value {
        json!({
            "api": "comfyui",
            "server": self.client.base(),
            "template": self.settings.template,
            "negative_prompt": self.settings.negative_prompt,
            "side": self.settings.side,
            "output_node": self.settings.output_node,
            "workflow": self.workflow.graph(),
        })
    }
}
