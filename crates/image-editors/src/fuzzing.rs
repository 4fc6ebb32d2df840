//! Readers that are not part of the API, for `tools/fuzz/coverage`. Empty in every other build.

#[cfg(fuzzing)]
pub use readers::*;

#[cfg(fuzzing)]
mod readers {
    use image::RgbImage;
    use model_server_client::ServerError;

    use crate::comfy::history::{Job, read_history};
    use crate::comfy::reply::{in_queue, queued_id, uploaded_name};
    use crate::{reply, webui};

    /// The image in the JSON of the web UI's reply.
    ///
    /// # Errors
    /// Returns [`ServerError::BadReply`].
    pub fn webui(body: &[u8]) -> Result<RgbImage, ServerError> {
        webui::first_image(body)
    }

    /// The image that is the reply of an inference endpoint.
    ///
    /// # Errors
    /// Returns [`ServerError::BadReply`].
    pub fn inference(body: &[u8]) -> Result<RgbImage, ServerError> {
        reply::image(body)
    }

    /// All of ComfyUI's replies: what each reader makes of `body`, as text.
    pub fn comfy(body: &[u8], id: &str, node: Option<&str>) -> [Result<String, String>; 4] {
        let text = |error: ServerError| error.to_string();
        let job = read_history(body, id, node).map(|job| match job {
            Job::Failed(error) => error.to_string(),
            other => format!("{other:?}"),
        });
        [
            uploaded_name(body).map_err(text),
            queued_id(body).map_err(text),
            in_queue(body, id)
                .map(|found| found.to_string())
                .map_err(text),
            job.map_err(text),
        ]
    }
}
