/// Why a text is not a usable workflow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[source] serde_json::Error),

    /// It is not a JSON object of nodes.
    #[error("it is not a JSON object of nodes")]
    NotAnObject,

    /// It is in the format of ComfyUI's user interface.
    #[error("it is in the user interface's format; export it with \"Export (API)\"")]
    InterfaceFormat,

    /// A node has no `class_type` or no `inputs`.
    #[error("node {node:?} has no class_type or no inputs")]
    BadNode {
        /// The node's id.
        node: String,
    },

    /// A placeholder has no variable.
    #[error("it has the placeholder {{{{{name}}}}}; give that variable a value")]
    MissingVariable {
        /// The placeholder's name.
        name: String,
    },

    /// The node that is named as the output does not exist.
    #[error("it has no node {node:?}, the \"output_node\"; its nodes are {}", nodes.join(", "))]
    NoOutputNode {
        /// The node's id.
        node: String,
        /// The ids of all nodes.
        nodes: Vec<String>,
    },

    /// Several nodes save an image, and none is named as the output.
    #[error(
        "its nodes {} are SaveImage nodes; name the one that holds the edit as \"output_node\"", nodes.join(", ")
    )]
    SeveralSaveNodes {
        /// The ids of the nodes.
        nodes: Vec<String>,
    },

    /// A placeholder that every workflow needs is missing.
    #[error("it has no {{{{{name}}}}}; put that placeholder where the input goes")]
    NoPlaceholder {
        /// The placeholder's name.
        name: &'static str,
    },
}
