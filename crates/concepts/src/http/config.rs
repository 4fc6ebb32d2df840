use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::comfy::{ComfyEditor, ComfySettings};
use super::credentials::Credentials;
use super::inference::{InferenceEditor, InferenceSettings};
use super::settings::HttpSettings;
use super::webui::{WebUiEditor, WebUiSettings};
use super::workflow::Workflow;
use crate::{Error, ImageEditor, store};

/// An editor as a file describes it. A file holds a list of them:
///
/// ```
/// use concepts::http::EditorConfig;
///
/// let text = r#"[
///   { "name": "sd15", "address": "http://127.0.0.1:7860",
///     "api": { "webui": { "denoising_strength": 0.5, "control": [{ "module": "canny", "model": "canny" }] } } },
///   { "name": "ip2p", "address": "http://127.0.0.1:8188",
///     "api": { "comfy": { "workflow": "instruct_pix2pix", "template": "turn it into a {prompt}",
///                         "variables": { "checkpoint": "instruct-pix2pix.safetensors" } } } },
///   { "name": "flux", "address": "https://example.endpoints.huggingface.cloud", "key_env": "HF_TOKEN",
///     "api": { "inference": { "num_inference_steps": 20 } } }
/// ]"#;
/// let editors: Vec<EditorConfig> = serde_json::from_str(text)?;
/// assert_eq!(editors[0].open(&Default::default())?.name(), "sd15");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditorConfig {
    /// A short name for reports and file names, unique in its list.
    pub name: String,
    /// The server: `http://HOST:PORT`, or the endpoint.
    pub address: String,
    /// Which API the server speaks, with its settings.
    pub api: EditorApi,
    /// The environment variable that holds the server's bearer key. Keys themselves are in no file.
    #[serde(default)]
    pub key_env: Option<String>,
    /// The environment variable that holds `USER:PASSWORD` for basic authentication (the web UI's `--api-auth`).
    #[serde(default)]
    pub basic_env: Option<String>,
}

/// An API with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditorApi {
    /// AUTOMATIC1111, Forge; see [`WebUiEditor`].
    Webui(WebUiSettings),
    /// Hugging Face's image-to-image API; see [`InferenceEditor`].
    Inference(InferenceSettings),
    /// ComfyUI; see [`ComfyEditor`].
    Comfy {
        /// `image_to_image` or `instruct_pix2pix` (shipped), or the path of a file in API format.
        workflow: PathBuf,
        /// Values of the workflow's own placeholders.
        #[serde(default)]
        variables: BTreeMap<String, String>,
        /// The text sent, with `{prompt}` where the concept's goes.
        #[serde(default = "plain_template")]
        template: String,
        /// What the image should not show.
        #[serde(default)]
        negative_prompt: String,
        /// The shorter side of the uploaded photo, in pixels.
        #[serde(default = "default_side")]
        side: u32,
        /// The node whose image counts.
        #[serde(default)]
        output_node: Option<String>,
    },
}

fn plain_template() -> String {
    "{prompt}".to_owned()
}

fn default_side() -> u32 {
    ComfySettings::default().side
}

impl EditorConfig {
    /// Reads a list of editors.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadFile`].
    pub fn read_list(path: &Path) -> Result<Vec<Self>, Error> {
        store::read_json(path)
    }

    /// The editor. Its server is not asked.
    ///
    /// # Errors
    /// [`Error::BadName`]; [`Error::BadSetting`], for a missing key too; those of reading a workflow.
    pub fn open(&self, http: &HttpSettings) -> Result<Box<dyn ImageEditor + Sync>, Error> {
        let credentials = match (&self.key_env, &self.basic_env) {
            (Some(_), Some(_)) => {
                return Err(Error::BadSetting {
                    setting: "credentials",
                    message: format!("{} has both key_env and basic_env; keep one", self.name),
                });
            }
            (Some(variable), None) => Credentials::bearer_from_env(variable)?,
            (None, Some(variable)) => Credentials::basic_from_env(variable)?,
            (None, None) => Credentials::none(),
        };
        let (name, address, http) = (&self.name, &self.address, http.clone());
        Ok(match &self.api {
            EditorApi::Webui(settings) => Box::new(WebUiEditor::new(
                name,
                address,
                settings.clone(),
                http,
                credentials,
            )?),
            EditorApi::Inference(settings) => Box::new(InferenceEditor::new(
                name,
                address,
                settings.clone(),
                http,
                credentials,
            )?),
            EditorApi::Comfy {
                workflow,
                variables,
                template,
                negative_prompt,
                side,
                output_node,
            } => {
                let workflow = match workflow.to_str() {
                    Some("image_to_image") => Workflow::new(Workflow::IMAGE_TO_IMAGE, variables)?,
                    Some("instruct_pix2pix") => {
                        Workflow::new(Workflow::INSTRUCT_PIX2PIX, variables)?
                    }
                    _ => Workflow::read(workflow, variables)?,
                };
                let settings = ComfySettings {
                    template: template.clone(),
                    negative_prompt: negative_prompt.clone(),
                    side: *side,
                    output_node: output_node.clone(),
                    job_timeout: http.timeout.max(Duration::from_secs(1800)),
                    ..ComfySettings::default()
                };
                Box::new(ComfyEditor::new(
                    name,
                    address,
                    workflow,
                    settings,
                    http,
                    credentials,
                )?)
            }
        })
    }
}
