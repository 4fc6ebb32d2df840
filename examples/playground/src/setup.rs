//! What the server computes with, as options of the other programs.

use std::path::Path;

use denoised_weights::run::same_place;
use denoised_weights::{Assets, Preset};
use serde::{Deserialize, Serialize};

/// The device that the programs compute on if they are not told otherwise.
const DEVICE: &str = "flex";

/// Options that make another program compute with the same models on the same device. Those that equal the program's defaults are
/// `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Setup {
    pub(crate) assets: Option<String>,
    pub(crate) base: Option<String>,
    pub(crate) generator: Option<String>,
    pub(crate) zoo: Option<String>,
    pub(crate) text_encoder: Option<String>,
    pub(crate) device: Option<String>,
}

impl Setup {
    /// The options for the models of `paths`, with the embedded text encoder on the default device.
    pub(crate) fn of(preset: Preset, paths: &Assets) -> Self {
        const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");
        let differs = |own: &Path, default: &Path| {
            (!same_place(own, default)).then(|| own.display().to_string())
        };
        // The feature network has no option of its own, so that its place tells that of all assets.
        let network = &paths.feature_network;
        let folder = network.ancestors().nth(2).filter(|folder| {
            let named = !folder.as_os_str().is_empty();
            named && same_place(&Assets::new(*folder).feature_network, network)
        });
        let folder = folder.unwrap_or(Path::new(SHIPPED));
        let defaults = Assets::of_preset(folder, preset);
        Self {
            assets: differs(folder, Path::new(SHIPPED)),
            base: differs(&paths.base, &defaults.base),
            generator: differs(&paths.weight_generator, &defaults.weight_generator),
            zoo: differs(&paths.zoo, &defaults.zoo),
            text_encoder: None,
            device: None,
        }
    }

    /// Sets the device by its name.
    pub(crate) fn set_device(&mut self, name: &str) {
        self.device = (name != DEVICE).then(|| name.to_owned());
    }

    /// The device's name.
    pub(crate) fn device(&self) -> &str {
        self.device.as_deref().unwrap_or(DEVICE)
    }
}
