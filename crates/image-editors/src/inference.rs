use concepts::ImageEditor;
use image::RgbImage;
use model_server_client::{Client, Credentials, HttpSettings, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::accept::Asked;
use crate::one_request::{self, Sent};
use crate::{Error, reply, working_size};

/// What an [`InferenceEditor`] requests. The server's own defaults apply if a field is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceSettings {
    /// The text that is sent, with `{prompt}` in place of the concept's.
    pub template: String,
    /// What the image should not show.
    pub negative_prompt: Option<String>,
    /// Denoising steps.
    pub num_inference_steps: Option<u32>,
    /// Guidance towards the text.
    pub guidance_scale: Option<f32>,
    /// The shorter side of the image that the server works on, in pixels. Results are scaled back.
    pub side: u32,
    /// Further parameters of the pipeline (`strength`, `image_guidance_scale`, ...), which replace those above.
    pub extra: Map<String, Value>,
}

impl Default for InferenceSettings {
    fn default() -> Self {
        Self {
            template: "{prompt}".to_owned(),
            negative_prompt: None,
            num_inference_steps: None,
            guidance_scale: None,
            side: 512,
            extra: Map::new(),
        }
    }
}

/// A diffusers pipeline behind the image-to-image API of Hugging Face's inference endpoints and toolkit: `POST` of
/// `{"inputs": BASE64, "parameters": {...}}`, answered with the image's bytes.
///
/// `tools/editor_fixtures_diffusers_server.py` serves any diffusers pipeline in this shape.
///
/// ```no_run
/// use concepts::ImageEditor;
/// use image_editors::{Credentials, HttpSettings, InferenceEditor, InferenceSettings};
///
/// let settings = InferenceSettings { template: "turn it into a {prompt}".to_owned(), ..Default::default() };
/// let editor = InferenceEditor::new(
///     "ip2p", "https://example.endpoints.huggingface.cloud", settings, HttpSettings::default(),
///     Credentials::bearer_from_env("HF_TOKEN")?,
/// )?;
/// let edited = editor.edit(&image::RgbImage::new(256, 256), "charcoal sketch", 7)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InferenceEditor {
    name: String,
    client: Client,
    settings: InferenceSettings,
}

impl InferenceEditor {
    /// An editor named `name` (for reports and file names) behind the endpoint at `address`.
    ///
    /// # Errors
    /// Returns an error if the name, the settings, the address or the credentials cannot work. The server is not
    /// contacted.
    pub fn new(
        name: &str,
        address: &str,
        settings: InferenceSettings,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        working_size::check(name, &settings.template, settings.side)?;
        Ok(Self {
            name: name.to_owned(),
            client: Client::new(address, http, credentials)?,
            settings,
        })
    }

    fn body(&self, png: &[u8], (width, height): (u32, u32), prompt: &str, seed: u64) -> Value {
        let settings = &self.settings;
        let mut parameters = json!({
            "prompt": working_size::word(&settings.template, prompt),
            "seed": seed,
            "target_size": { "width": width, "height": height },
        });
        if let Some(text) = &settings.negative_prompt {
            parameters["negative_prompt"] = json!(text);
        }
        if let Some(steps) = settings.num_inference_steps {
            parameters["num_inference_steps"] = json!(steps);
        }
        if let Some(scale) = settings.guidance_scale {
            parameters["guidance_scale"] = json!(scale);
        }
        for (key, value) in &settings.extra {
            parameters[key] = value.clone();
        }
        json!({ "inputs": reply::to_base64(png), "parameters": parameters })
    }
}

impl ImageEditor for InferenceEditor {
    fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// Returns [`concepts::Error::Editor`] if no attempt gave an image.
    fn edit(&self, photo: &RgbImage, prompt: &str, seed: u64) -> Result<RgbImage, concepts::Error> {
        // The address is the endpoint itself, so nothing is added to its path.
        let request = |png: &[u8], size| {
            let body = self.body(png, size, prompt, seed);
            Sent {
                request: Request::json("", &body),
                // The size is a wish, which a pipeline may not know.
                asked: Asked::at_least(one_request::asked(
                    &body["parameters"]["target_size"],
                    size,
                )),
            }
        };
        let side = self.settings.side;
        one_request::edit(&self.name, &self.client, photo, side, request, reply::image)
    }

    fn parameters(&self) -> Value {
        json!({ "api": "image-to-image", "server": self.client.base(), "settings": self.settings })
    }
}
