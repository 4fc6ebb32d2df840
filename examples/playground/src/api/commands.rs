//! The commands that do the same as the page.

use std::fmt::Write as _;
use std::path::Path;

use denoised_weights::Preset;

use crate::setup::Setup;
use crate::training::Spec;
use crate::workbench::{Recipe, SHOWN_SIZE};

/// The beginning of the command that runs an example program with the models and on the device of `setup`.
fn command(example: &str, preset: &str, setup: &Setup) -> String {
    let mut command = format!("cargo run --release --example {example} --");
    if preset != Preset::Compact.name() {
        let _ = write!(command, " --preset {preset}");
    }
    add(&mut command, "assets", setup.assets.as_ref());
    add(&mut command, "base", setup.base.as_ref());
    add(&mut command, "generator", setup.generator.as_ref());
    add(&mut command, "text-encoder", setup.text_encoder.as_ref());
    add(&mut command, "device", setup.device.as_ref());
    command
}

/// Adds an option, if there is a value for it.
fn add(command: &mut String, option: &str, value: Option<&String>) {
    if let Some(value) = value {
        let _ = write!(command, " --{option} {}", quoted(value));
    }
}

/// The command that predicts the same adapter and edits the photos of the folder DIR with it, at the size of the page.
pub(super) fn prompt_command(
    recipe: &Recipe,
    strength: f32,
    preset: Preset,
    setup: &Setup,
) -> String {
    let mut command = command("generate", preset.name(), setup);
    match recipe {
        Recipe::Trained(adapter) => {
            let path = quoted(&adapter.display().to_string());
            let _ = write!(command, " --adapter {path}");
        }
        Recipe::Prompt(prompt, second) => {
            let _ = write!(command, " --prompt {}", quoted(prompt));
            if let Some((other, share)) = second {
                let _ = write!(command, " --mix {} --share {share}", quoted(other));
            }
        }
    }
    if strength != 1.0 {
        let _ = write!(command, " --strength {strength}");
    }
    let _ = write!(
        command,
        " --out out/adapter.safetensors --apply DIR --images out/edited --shorter-side {SHOWN_SIZE}"
    );
    command
}

/// The command that trains the same on the pairs of a folder.
pub(crate) fn training_command(spec: &Spec, pairs: &Path) -> String {
    let mut command = command("your_style", &spec.preset, &spec.setup);
    add(&mut command, "zoo", spec.setup.zoo.as_ref());
    let _ = write!(
        command,
        " --prompt {} --pairs {} --epochs {}",
        quoted(&spec.prompt),
        quoted(&pairs.display().to_string()),
        spec.epochs
    );
    if spec.seed != 0 {
        let _ = write!(command, " --seed {}", spec.seed);
    }
    command
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use denoised_weights::Assets;

    use super::*;

    const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");

    #[test]
    fn commands_quote_what_the_user_typed() {
        let recipe = Recipe::Prompt("cat's $(rm) \"x\"".into(), Some(("b".into(), 0.25)));
        let command = prompt_command(&recipe, 0.5, Preset::Photo, &Setup::default());
        assert!(
            command.contains("generate -- --preset photo --prompt"),
            "{command}"
        );
        assert!(
            command.contains(r#"--prompt 'cat'\''s $(rm) "x"'"#),
            "{command}"
        );
        assert!(
            command.contains("--mix 'b' --share 0.25 --strength 0.5"),
            "{command}"
        );
        let edits = "--apply DIR --images out/edited --shorter-side 256";
        assert!(command.ends_with(edits), "{command}");
    }

    #[test]
    fn commands_name_what_differs_from_the_defaults() {
        let spec = |seed, setup| Spec {
            prompt: "fog".into(),
            epochs: 3,
            rival: false,
            pairs: 10,
            seed,
            preset: "photo".into(),
            setup,
        };
        let mut paths = Assets::of_preset(SHIPPED, Preset::Photo);
        let setup = Setup::of(Preset::Photo, &paths);
        assert_eq!(setup, Setup::default());
        assert_eq!(setup.device(), "flex");
        let pairs = Path::new("my pairs");
        let plain = "cargo run --release --example your_style -- --preset photo --prompt 'fog' --pairs 'my pairs' --epochs 3";
        assert_eq!(training_command(&spec(0, setup), pairs), plain);

        paths.base = "my base".into();
        paths.weight_generator = "generator".into();
        paths.zoo = "zoo".into();
        let mut setup = Setup::of(Preset::Photo, &paths);
        setup.text_encoder = Some("clip".into());
        setup.set_device("cuda:1");
        let models = "--preset photo --base 'my base' --generator 'generator' --text-encoder 'clip' --device 'cuda:1'";
        let recipe = Recipe::Prompt("fog".into(), None);
        let command = prompt_command(&recipe, 1.0, Preset::Photo, &setup);
        assert!(
            command.contains(&format!("generate -- {models} --prompt 'fog' --out")),
            "{command}"
        );
        let command = training_command(&spec(5, setup), pairs);
        assert!(
            command.contains(&format!("{models} --zoo 'zoo' --prompt")),
            "{command}"
        );
        assert!(command.ends_with("--epochs 3 --seed 5"), "{command}");
        // Of another folder, laid out in the same way.
        let elsewhere = Setup::of(Preset::Photo, &Assets::of_preset("else", Preset::Photo));
        let expected = Setup {
            assets: Some("else".into()),
            ..Setup::default()
        };
        assert_eq!(elsewhere, expected);
    }
}
