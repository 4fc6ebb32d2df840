use concepts::ImageEditor;
use image::RgbImage;
use model_server_client::{
    Client, Credentials, HttpSettings, Request, ServerError, bad_reply, json as read_json,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::accept::Asked;
use crate::one_request::{self, Sent};
use crate::{Error, reply, working_size};

/// One unit of the ControlNet extension, which gets the photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControlUnit {
    /// The preprocessor, as the extension names it: `canny`, `depth_midas`, ...
    pub module: String,
    /// The model, as the extension names it: `control_v11p_sd15_canny [d14c016b]`.
    pub model: String,
    /// Strength, 0 to 2.
    pub weight: f32,
    /// Share of the steps at which the unit begins.
    pub guidance_start: f32,
    /// Share of the steps at which it ends.
    pub guidance_end: f32,
    /// `Balanced`, `My prompt is more important` or `ControlNet is more important`.
    pub control_mode: String,
    /// Lets the extension choose the preprocessor's resolution.
    pub pixel_perfect: bool,
}

impl Default for ControlUnit {
    fn default() -> Self {
        Self {
            module: "none".to_owned(),
            model: "None".to_owned(),
            weight: 1.0,
            guidance_start: 0.0,
            guidance_end: 1.0,
            control_mode: "Balanced".to_owned(),
            pixel_perfect: true,
        }
    }
}

impl ControlUnit {
    /// The unit as the extension's API takes it, with the photo in base64.
    fn body(&self, photo: &str) -> Value {
        json!({
            "enabled": true,
            "image": photo,
            "module": self.module,
            "model": self.model,
            "weight": self.weight,
            "guidance_start": self.guidance_start,
            "guidance_end": self.guidance_end,
            "control_mode": self.control_mode,
            "pixel_perfect": self.pixel_perfect,
            "resize_mode": "Crop and Resize",
            "save_detected_map": false,
        })
    }
}

/// What a [`WebUiEditor`] requests. The server's own defaults apply if a field is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebUiSettings {
    /// The text that is sent, with `{prompt}` in place of the concept's: `turn it into a {prompt}` for InstructPix2Pix.
    pub template: String,
    /// What the image should not show.
    pub negative_prompt: String,
    /// Sampling steps.
    pub steps: u32,
    /// Guidance towards the text.
    pub cfg_scale: f32,
    /// Guidance towards the photo, for InstructPix2Pix checkpoints.
    pub image_cfg_scale: Option<f32>,
    /// How far the result may depart from the photo, 0 to 1.
    pub denoising_strength: f32,
    /// The sampler's name.
    pub sampler_name: Option<String>,
    /// The checkpoint's title or name.
    pub checkpoint: Option<String>,
    /// The shorter side of the image that the server works on, in pixels. Results are scaled back.
    pub side: u32,
    /// ControlNet units; empty if the extension is not used.
    pub control: Vec<ControlUnit>,
    /// Further fields of the request, which replace those above.
    pub extra: Map<String, Value>,
}

impl Default for WebUiSettings {
    fn default() -> Self {
        Self {
            template: "{prompt}".to_owned(),
            negative_prompt: String::new(),
            steps: 30,
            cfg_scale: 7.0,
            image_cfg_scale: None,
            denoising_strength: 0.6,
            sampler_name: None,
            checkpoint: None,
            side: 512,
            control: Vec::new(),
            extra: Map::new(),
        }
    }
}

/// Stable Diffusion web UI (AUTOMATIC1111, Forge), started with `--api`: `POST /sdapi/v1/img2img`, with the ControlNet
/// extension's `alwayson_scripts` if [`WebUiSettings::control`] has units.
///
/// ```no_run
/// use concepts::ImageEditor;
/// use image_editors::{Credentials, HttpSettings, WebUiEditor, WebUiSettings};
///
/// let editor = WebUiEditor::new(
///     "sd15", "http://127.0.0.1:7860", WebUiSettings::default(), HttpSettings::default(), Credentials::none(),
/// )?;
/// let photo = image::RgbImage::new(256, 256);
/// let edited = editor.edit(&photo, "charcoal sketch", 7)?;
/// assert_eq!(edited.dimensions(), (256, 256));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WebUiEditor {
    name: String,
    client: Client,
    settings: WebUiSettings,
}

impl WebUiEditor {
    /// An editor named `name` (for reports and file names) behind the server at `address`.
    ///
    /// # Errors
    /// Returns an error if the name, the settings, the address or the credentials cannot work. The server is not
    /// contacted.
    pub fn new(
        name: &str,
        address: &str,
        settings: WebUiSettings,
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
        let photo = reply::to_base64(png);
        let mut body = json!({
            "init_images": [photo],
            "prompt": working_size::word(&settings.template, prompt),
            "negative_prompt": settings.negative_prompt,
            "seed": seed,
            "steps": settings.steps,
            "cfg_scale": settings.cfg_scale,
            "denoising_strength": settings.denoising_strength,
            "width": width,
            "height": height,
            "batch_size": 1,
            "n_iter": 1,
            "send_images": true,
            "save_images": false,
        });
        if let Some(scale) = settings.image_cfg_scale {
            body["image_cfg_scale"] = json!(scale);
        }
        if let Some(sampler) = &settings.sampler_name {
            body["sampler_name"] = json!(sampler);
        }
        if let Some(checkpoint) = &settings.checkpoint {
            body["override_settings"] = json!({ "sd_model_checkpoint": checkpoint });
        }
        if !settings.control.is_empty() {
            let units: Vec<Value> = settings.control.iter().map(|u| u.body(&photo)).collect();
            body["alwayson_scripts"] = json!({ "controlnet": { "args": units } });
        }
        for (key, value) in &settings.extra {
            body[key] = value.clone();
        }
        body
    }
}

impl ImageEditor for WebUiEditor {
    fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// Returns [`concepts::Error::Editor`] if no attempt gave an image.
    fn edit(&self, photo: &RgbImage, prompt: &str, seed: u64) -> Result<RgbImage, concepts::Error> {
        let request = |png: &[u8], size| {
            let body = self.body(png, size, prompt, seed);
            Sent {
                request: Request::json("/sdapi/v1/img2img", &body),
                asked: Asked {
                    size: one_request::asked(&body, size),
                    // Scripts such as "SD upscale".
                    enlarged: body.get("script_name").is_some_and(|name| !name.is_null()),
                },
            }
        };
        let side = self.settings.side;
        one_request::edit(&self.name, &self.client, photo, side, request, first_image)
    }

    fn parameters(&self) -> Value {
        json!({ "api": "sdapi/v1/img2img", "server": self.client.base(), "settings": self.settings })
    }
}

/// The first of `images` that is not a grid of all. The ControlNet extension may append the maps that it detected.
pub(crate) fn first_image(bytes: &[u8]) -> Result<RgbImage, ServerError> {
    let value = read_json(bytes)?;
    // JSON in a string.
    let info = value.get("info").and_then(Value::as_str).unwrap_or("");
    let info: Value = serde_json::from_str(info).unwrap_or_default();
    for part in [&value, &value["parameters"], &info] {
        if let Some(error) = reply::filtered(part) {
            return Err(error);
        }
    }
    let images = value
        .get("images")
        .and_then(Value::as_array)
        .ok_or_else(|| bad_reply("no list \"images\""))?;
    let first = info["index_of_first_image"].as_u64().unwrap_or(0);
    let first = usize::try_from(first)
        .ok()
        .and_then(|first| images.get(first));
    let text = match first.or(images.first()) {
        Some(image) => image.as_str(),
        None => return Err(bad_reply("the list \"images\" is empty")),
    };
    reply::base64_image(text.ok_or_else(|| bad_reply("\"images\" holds no string"))?)
}
