use std::time::{Duration, Instant};

use concepts::ImageEditor;
use image::RgbImage;
use model_server_client::{
    Client, Credentials, HttpSettings, Request, ServerError, bad_reply, shorten,
};
use resumable_runs::{sha256_hex, sha256_parts};
use serde_json::{Value, json};

use super::history::{Job, read_history};
use super::reply::{in_queue, job_id, queued_id, uploaded_name};
use super::result::Output;
use super::workflow::{Inputs, Workflow};
use crate::accept::{Asked, accept};
use crate::error::editor_failed;
use crate::multipart::{percent_encode, upload};
use crate::{Error, reply, working_size};

/// What a [`ComfyEditor`] requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ComfySettings {
    /// The text that is sent, with `{prompt}` in place of the concept's.
    pub template: String,
    /// What the image should not show.
    pub negative_prompt: String,
    /// The shorter side of the uploaded photo, in pixels. Results are scaled back. Default: 512.
    pub side: u32,
    /// The node whose image is the result, saved or previewed. Default: the only node that saves one. A workflow that saves
    /// several, or only shows previews, needs it.
    pub output_node: Option<String>,
    /// Time between two looks at the server's queue. Default: 1 s.
    pub poll: Duration,
    /// The longest time for one edit, including the wait in the server's queue. Default: 30 minutes.
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

/// The largest number of jobs of one edit that are looked for on the server. Its history holds no more.
const MOST_JOBS: u32 = 10_000;

/// What became of a job.
enum Outcome {
    Edited(RgbImage),
    /// It failed, perhaps before this call.
    Failed {
        before: bool,
        error: ServerError,
    },
}

/// One edit.
struct Work<'a> {
    photo: &'a RgbImage,
    asked: Asked,
    graph: Value,
    /// Of the uploaded photo and the graph.
    digest: [u8; 32],
}

/// ComfyUI: `/upload/image`, `/prompt`, `/history/{id}`, `/queue`, `/view`.
///
/// The job's id is derived from the workflow, the photo, the prompt and the seed, and the server is asked for it before it
/// is queued. After a broken connection or a killed run, the server's finished job is fetched instead of run again.
/// (Servers from before mid-2025 choose ids themselves. There, such a job runs twice and one result is used.) A job that
/// fails, or whose image is of one colour, is run again; one that somebody interrupts on the server is not, until the next
/// call.
///
/// ```no_run
/// use concepts::ImageEditor;
/// use image_editors::{ComfyEditor, ComfySettings, Credentials, HttpSettings, Workflow};
///
/// let variables = [("checkpoint".to_owned(), "v1-5-pruned-emaonly.safetensors".to_owned())].into();
/// let editor = ComfyEditor::new(
///     "comfy", "http://127.0.0.1:8188", Workflow::new(Workflow::IMAGE_TO_IMAGE, &variables)?,
///     ComfySettings::default(), HttpSettings::default(), Credentials::none(),
/// )?;
/// let edited = editor.edit(&image::RgbImage::new(256, 256), "charcoal sketch", 7)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ComfyEditor {
    name: String,
    client: Client,
    workflow: Workflow,
    settings: ComfySettings,
}

impl ComfyEditor {
    /// An editor named `name` (for reports and file names) behind the server at `address`.
    ///
    /// # Errors
    /// Returns an error if the name, the settings, the address or the credentials cannot work, or if the workflow has no
    /// such output node, or several that save an image and none is named. The server is not contacted.
    pub fn new(
        name: &str,
        address: &str,
        workflow: Workflow,
        settings: ComfySettings,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        working_size::check(name, &settings.template, settings.side)?;
        workflow.check_output(settings.output_node.as_deref())?;
        Ok(Self {
            name: name.to_owned(),
            client: Client::new(address, http, credentials)?,
            workflow,
            settings,
        })
    }

    fn run(&self, work: &Work<'_>) -> Result<RgbImage, ServerError> {
        let (mut failed, mut last) = (0, None);
        // A failed job stays in the history under its id, so each attempt has a number that changes the id. Failures of
        // earlier calls do not count as attempts of this one.
        for number in 0..MOST_JOBS {
            match self.job(work, number)? {
                Outcome::Edited(image) => return Ok(image),
                Outcome::Failed { before, error } => {
                    failed += u32::from(!before);
                    last = Some(error);
                    if failed == self.client.settings().attempts {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| bad_reply("no attempt was made")))
    }

    fn job(&self, work: &Work<'_>, number: u32) -> Result<Outcome, ServerError> {
        let start = Instant::now();
        let mut id = job_id(&work.digest, number);
        // The queue before the history: a job moves from the one to the other, so in this order it cannot be missed.
        let known = if self.queued(&id)? {
            Job::Unknown
        } else {
            let job = self.history(&id)?;
            if matches!(job, Job::Unknown) {
                id = self.submit(&id, &work.graph)?;
            }
            job
        };
        let before = !matches!(known, Job::Unknown);
        let job = if before {
            known
        } else {
            self.wait(&id, start)?
        };
        match job {
            Job::Done(output) => self.fetch(&output, work, before),
            Job::Interrupted(error) if !before => Err(error),
            Job::Failed(error) | Job::Interrupted(error) => Ok(Outcome::Failed { before, error }),
            Job::Unknown => Ok(Outcome::Failed {
                before,
                error: ServerError::Job {
                    message: "it is neither in the queue nor in the history; was the server restarted or its queue \
                              cleared?"
                        .to_owned(),
                },
            }),
        }
    }

    /// Fetches the result of a job that ended `before` this call or in it.
    fn fetch(&self, of: &Output, work: &Work<'_>, before: bool) -> Result<Outcome, ServerError> {
        let path = format!(
            "/view?filename={}&subfolder={}&type={}",
            percent_encode(&of.filename),
            percent_encode(&of.subfolder),
            percent_encode(&of.kind)
        );
        let error = match self.client.call(&Request::get(path), reply::image) {
            Ok(answer) => match accept(answer.value, work.photo, work.asked) {
                Ok(image) => return Ok(Outcome::Edited(image)),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            },
            // The history lists a file that somebody removed.
            Err(error) if matches!(error.last(), ServerError::Status { status: 404, .. }) => {
                ServerError::Job {
                    message: format!("its result {:?} is gone", shorten(&of.filename)),
                }
            }
            Err(error) => return Err(error),
        };
        Ok(Outcome::Failed { before, error })
    }

    /// Queues the job. Returns the id by which the server knows it.
    fn submit(&self, id: &str, graph: &Value) -> Result<String, ServerError> {
        let request = Request::json(
            "/prompt",
            &json!({ "prompt": graph, "prompt_id": id, "client_id": "concepts" }),
        );
        // The request may have arrived although its answer did not.
        let arrived = || {
            let known = self.queued(id)? || !matches!(self.history(id)?, Job::Unknown);
            Ok(known.then(|| id.to_owned()))
        };
        self.client
            .call_unless(&request, queued_id, arrived)
            .map(|answer| answer.value)
    }

    /// Waits until the job has left the queue.
    fn wait(&self, id: &str, start: Instant) -> Result<Job, ServerError> {
        while self.queued(id)? {
            if start.elapsed().saturating_add(self.settings.poll) > self.settings.job_timeout {
                return Err(ServerError::Timeout {
                    timeout: self.settings.job_timeout,
                });
            }
            std::thread::sleep(self.settings.poll);
        }
        self.history(id)
    }

    fn history(&self, id: &str) -> Result<Job, ServerError> {
        let request = Request::get(format!("/history/{}", percent_encode(id)));
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
        &self.name
    }

    /// # Errors
    /// Returns [`concepts::Error::Editor`] if no attempt gave an image.
    fn edit(&self, photo: &RgbImage, prompt: &str, seed: u64) -> Result<RgbImage, concepts::Error> {
        let size = working_size::working_size(photo, self.settings.side);
        let png = working_size::enlarge(photo, size)?;
        // Named by its content: the same photo is stored once, and no other file is overwritten.
        let name = format!("concepts-{}.png", &sha256_hex(&png)[..32]);
        let upload = upload(
            "/upload/image",
            &name,
            &png,
            &[("type", "input"), ("overwrite", "true")],
        );
        self.client
            .call(&upload, uploaded_name)
            .and_then(|answer| {
                let graph = self.workflow.fill(&Inputs {
                    image: &answer.value,
                    prompt: &working_size::word(&self.settings.template, prompt),
                    negative_prompt: &self.settings.negative_prompt,
                    seed,
                    size,
                });
                self.run(&Work {
                    photo,
                    // A workflow may enlarge.
                    asked: Asked::at_least(size),
                    digest: sha256_parts(&[&png, graph.to_string().as_bytes()]),
                    graph,
                })
            })
            .map_err(|error| editor_failed(&self.name, self.client.redact(error)))
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
