use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::ImageEditor;
use model_server_client::{Credentials, HttpSettings};
use resumable_runs::read_json;
use serde::{Deserialize, Serialize};

use crate::{
    ComfyEditor, ComfySettings, Error, InferenceEditor, InferenceSettings, WebUiEditor,
    WebUiSettings, Workflow,
};

/// An editor as it is described in a file, which holds a list of them:
///
/// ```
/// use image_editors::EditorConfig;
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
    /// The server's API, with its settings.
    pub api: EditorApi,
    /// The environment variable that holds the server's bearer key. Keys themselves do not belong in files.
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
    Comfy(ComfyConfig),
}

/// A ComfyUI workflow with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComfyConfig {
    /// `image_to_image` or `instruct_pix2pix` (shipped), or the path of a file in API format.
    pub workflow: PathBuf,
    /// Values of the workflow's own placeholders.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The text that is sent, with `{prompt}` in place of the concept's.
    #[serde(default = "plain_template")]
    pub template: String,
    /// What the image should not show.
    #[serde(default)]
    pub negative_prompt: String,
    /// The shorter side of the uploaded photo, in pixels.
    #[serde(default = "default_side")]
    pub side: u32,
    /// The node whose image is the result; needed if the workflow saves several, or only shows previews.
    #[serde(default)]
    pub output_node: Option<String>,
}

impl ComfyConfig {
    fn workflow(&self) -> Result<Workflow, Error> {
        let shipped = match self.workflow.to_str() {
            Some("image_to_image") => Workflow::IMAGE_TO_IMAGE,
            Some("instruct_pix2pix") => Workflow::INSTRUCT_PIX2PIX,
            _ => return Workflow::read(&self.workflow, &self.variables),
        };
        Ok(Workflow::new(shipped, &self.variables)?)
    }

    /// The editor's settings. A job may take as long as a request, and at least 30 minutes.
    fn settings(&self, http: &HttpSettings) -> ComfySettings {
        let defaults = ComfySettings::default();
        ComfySettings {
            template: self.template.clone(),
            negative_prompt: self.negative_prompt.clone(),
            side: self.side,
            output_node: self.output_node.clone(),
            job_timeout: http.timeout.max(defaults.job_timeout),
            ..defaults
        }
    }
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
    /// Returns [`Error::File`] if the file cannot be read or is not a list of editors.
    pub fn read_list(path: &Path) -> Result<Vec<Self>, Error> {
        Ok(read_json(path)?)
    }

    /// The editor. Its server is not contacted.
    ///
    /// # Errors
    /// Returns an error if the name, the settings, the address or the credentials cannot work, or the workflow cannot be
    /// read.
    pub fn open(&self, http: &HttpSettings) -> Result<Box<dyn ImageEditor + Sync>, Error> {
        let (name, address) = (&self.name, &self.address);
        let (credentials, http) = (self.credentials()?, http.clone());
        Ok(match &self.api {
            EditorApi::Webui(settings) => {
                let settings = settings.clone();
                Box::new(WebUiEditor::new(
                    name,
                    address,
                    settings,
                    http,
                    credentials,
                )?)
            }
            EditorApi::Inference(settings) => {
                let settings = settings.clone();
                Box::new(InferenceEditor::new(
                    name,
                    address,
                    settings,
                    http,
                    credentials,
                )?)
            }
            EditorApi::Comfy(comfy) => {
                let (workflow, settings) = (comfy.workflow()?, comfy.settings(&http));
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

    fn credentials(&self) -> Result<Credentials, Error> {
        Ok(match (&self.key_env, &self.basic_env) {
            (Some(_), Some(_)) => {
                return Err(Error::TwoCredentials {
                    editor: self.name.clone(),
                });
            }
            (Some(variable), None) => Credentials::bearer_from_env(variable)?,
            (None, Some(variable)) => Credentials::basic_from_env(variable)?,
            (None, None) => Credentials::none(),
        })
    }
}
