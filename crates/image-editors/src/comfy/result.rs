//! Which image of a ComfyUI job is its result.

use model_server_client::{ServerError, shorten, unusable};
use serde_json::{Map, Value};

/// An image on the server.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) filename: String,
    pub(crate) subfolder: String,
    /// `output` for a saved image, `temp` for a preview.
    pub(crate) kind: String,
}

/// The image of `node`, or of the only node that saved one. Previews are results only if `node` names them.
pub(super) fn result(
    outputs: &Map<String, Value>,
    node: Option<&str>,
    cached: bool,
) -> Result<Output, ServerError> {
    let mut found: Vec<(&str, Output)> = outputs
        .iter()
        .filter_map(|(id, output)| Some((id.as_str(), first_image(output)?)))
        .collect();
    found.sort_by_key(|(id, _)| order(id));
    let list = |found: &[(&str, Output)]| {
        let ids: Vec<&str> = found.iter().map(|(id, _)| *id).collect();
        ids.join(", ")
    };
    if let Some(node) = node {
        let there = list(&found);
        let image = found.into_iter().find(|(id, _)| *id == node);
        return image.map(|(_, image)| image).ok_or_else(|| {
            unusable(format!(
                "node {node}, the \"output_node\", gave no image; nodes with images: {}",
                if there.is_empty() { "none" } else { &there }
            ))
        });
    }
    let (mut saved, previews): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(_, image)| image.kind == "output");
    if saved.len() > 1 {
        return Err(unusable(format!(
            "the nodes {} saved an image each; name the one that holds the edit as \"output_node\"",
            shorten(&list(&saved))
        )));
    }
    match saved.pop() {
        Some((_, image)) => Ok(image),
        None => Err(nothing_saved(outputs, &list(&previews), cached)),
    }
}

fn nothing_saved(outputs: &Map<String, Value>, previews: &str, cached: bool) -> ServerError {
    if !previews.is_empty() {
        return unusable(format!(
            "no node saved an image, and there are only previews (nodes: {}); add a SaveImage node, or name the preview \
             that holds the edit as \"output_node\"",
            shorten(previews)
        ));
    }
    if outputs.is_empty() && cached {
        return unusable(
            "the server took every node from its cache and does not list the images of such nodes; restart it, or \
             update ComfyUI",
        );
    }
    let kinds: Vec<&str> = outputs
        .values()
        .filter_map(Value::as_object)
        .flat_map(|output| output.keys().map(String::as_str))
        .collect();
    if kinds.is_empty() {
        return unusable("no node gave an image; does the workflow have a SaveImage node?");
    }
    unusable(format!(
        "no node gave an image, but only {}; add a SaveImage node to the workflow",
        shorten(&kinds.join(", "))
    ))
}

/// The first image of a node's output; with a batch there are several.
fn first_image(output: &Value) -> Option<Output> {
    output.get("images")?.as_array()?.iter().find_map(|image| {
        let text = |key| image.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Output {
            filename: text("filename")?,
            subfolder: text("subfolder").unwrap_or_default(),
            kind: text("type").unwrap_or_else(|| "output".to_owned()),
        })
    })
}

/// Orders node ids by their numbers: `9`, `10`, `12:3` (within a subgraph).
pub(super) fn order(id: &str) -> (Vec<u64>, String) {
    let numbers = id.split(':').map(|part| part.parse().unwrap_or(u64::MAX));
    (numbers.collect(), id.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(name: &str, kind: &str) -> Value {
        json!({ "images": [{ "filename": name, "subfolder": "", "type": kind }] })
    }

    fn file(outputs: Value, node: Option<&str>) -> Result<String, String> {
        match result(outputs.as_object().unwrap(), node, false) {
            Ok(output) => Ok(output.filename),
            Err(error) => {
                assert!(!error.is_transient(), "{error}");
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn the_only_saved_image_is_the_result() {
        let both = || json!({ "12": image("canny.png", "temp"), "9": image("edit.png", "output") });
        assert_eq!(file(both(), None).unwrap(), "edit.png");
        assert_eq!(file(both(), Some("12")).unwrap(), "canny.png");
        let error = file(both(), Some("3")).unwrap_err();
        assert!(
            error.contains("node 3") && error.contains("images: 9, 12"),
            "{error}"
        );
    }

    #[test]
    fn a_preview_is_no_result_unless_it_is_named() {
        let preview = || json!({ "12": image("canny.png", "temp") });
        let error = file(preview(), None).unwrap_err();
        assert!(error.contains("only previews (nodes: 12)"), "{error}");
        assert!(
            error.contains("output_node") && error.contains("SaveImage"),
            "{error}"
        );
        assert_eq!(file(preview(), Some("12")).unwrap(), "canny.png");
    }

    #[test]
    fn of_several_saved_images_one_must_be_named() {
        let saves = || {
            json!({ "10": image("mask.png", "output"), "9": image("edit.png", "output"),
                "12:3": image("inner.png", "output") })
        };
        let error = file(saves(), None).unwrap_err();
        assert!(
            error.contains("the nodes 9, 10, 12:3 saved") && error.contains("output_node"),
            "{error}"
        );
        assert_eq!(file(saves(), Some("9")).unwrap(), "edit.png");
        assert_eq!(file(saves(), Some("10")).unwrap(), "mask.png");
    }

    #[test]
    fn jobs_without_an_image_say_why() {
        let error = file(json!({}), None).unwrap_err();
        assert!(error.contains("SaveImage"), "{error}");
        let error = file(json!({ "9": { "gifs": [{ "filename": "a.mp4" }] } }), None).unwrap_err();
        assert!(error.contains("but only gifs"), "{error}");
        let error = result(&Map::new(), None, true).unwrap_err().to_string();
        assert!(error.contains("cache"), "{error}");
    }
}
