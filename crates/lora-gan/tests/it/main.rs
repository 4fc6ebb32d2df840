//! The generator, its adapters and files, the discriminator and the losses, each against literal values, formulas
//! or PyTorch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adapter;
mod balanced;
mod checkpoint;
mod common;
mod discriminator;
mod export;
mod gan_losses;
mod generator;
mod lora;
mod peft;
mod torch_parity;

fn fixture(name: &str) -> test_parity::Fixture {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    test_parity::Fixture::load(&root.join(name))
}
