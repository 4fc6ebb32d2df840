//! Readers that are not part of the API, for `tools/fuzz/coverage`. Empty in every other build.

#[cfg(fuzzing)]
pub use readers::*;

#[cfg(fuzzing)]
mod readers {
    use crate::generate::list;

    /// The answer in the body of a chat server's reply, if it is one.
    ///
    /// # Errors
    /// Returns the message of the error, or what the reply is in place of an answer.
    #[cfg(feature = "http")]
    pub fn completion(body: &[u8]) -> Result<crate::chat::ChatReply, String> {
        use crate::chat::completion::{Completion, read_completion};

        match read_completion(body).map_err(|error| error.to_string())? {
            Completion::Answer(reply) => Ok(reply),
            other => Err(format!("{other:?}")),
        }
    }

    /// The entries of a chat model's answer, at most `most`.
    pub fn entries(text: &str, cut: bool, most: usize) -> Vec<String> {
        list::entries(text, cut, most)
    }
}
