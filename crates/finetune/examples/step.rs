use burn::tensor::{Device, Distribution, Tensor};
use finetune::*;
use lora_gan::*;
use weight_blocks::*;
fn main() {
    let device = Device::flex();
    let base = HybridGenerator::new(&GeneratorConfig::compact(), 0, &device).unwrap();
    let layout = Layout::new("g", base.layer_groups(), GroupingRule::Appended, 256).unwrap();
    let all: usize = module_to_named(&base).unwrap().values().map(|t| t.data.len()).sum();
    println!("adapter {} blocks {} total {}", layout.values(), layout.blocks(), all);
    for g in layout.groups() { println!("{} {}", g.name, g.tensors.iter().map(|t| t.shape.iter().product::<usize>()).sum::<usize>()); }
    let r = |s: [usize; 4]| Tensor::<4>::random(s, Distribution::Uniform(-1.0, 1.0), &device);
    let pairs = PairSet { photos: r([96, 3, 64, 64]), targets: r([96, 3, 64, 64]) };
    for (batch, gan) in [(8, 1.0), (8, 0.0), (16, 1.0), (4, 1.0)] {
        let recipe = Recipe { batch_size: batch, gan_weight: gan, ..Recipe::compact() };
        let mut t = ConceptTrainer::new(&base, &base.read_weights().unwrap(), recipe, &device).unwrap();
        t.epoch(&pairs).unwrap();
        let s = std::time::Instant::now();
        t.epoch(&pairs).unwrap();
        println!("batch {batch} gan {gan}: {:.3} s/epoch of 96", s.elapsed().as_secs_f64());
    }
    let s = std::time::Instant::now();
    translate(&base, &pairs.photos);
    println!("translate 96: {:.3}", s.elapsed().as_secs_f64());
}
