//! Layers, shapes and counts, in the manner of torchinfo.

use std::fmt;

use weight_blocks::LayerKind;

use super::hybrid::HybridGenerator;
use super::layers::Op;
use super::shape::Width;

/// One layer of a [`GeneratorSummary`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// Its name, as tensors and rank maps have it.
    pub name: String,
    /// What it is.
    pub kind: LayerKind,
    /// Output shape at the configured image size; `B` photos, `L` tokens of text.
    pub output: String,
    /// Values of that output for one photo; 0 for layers that see the text alone.
    pub values: usize,
    /// Kernel and bias, and the norms that follow it.
    pub weights: usize,
    /// LoRA's rank; `None` if the layer is frozen whole.
    pub rank: Option<usize>,
    /// Values of LoRA's two factors.
    pub lora: usize,
    /// γ and β of the norms that the adapter trains.
    pub norms: usize,
}

/// What a generator consists of; prints as a table.
///
/// ```
/// use burn::tensor::Device;
/// use lora_gan::{GeneratorConfig, HybridGenerator};
///
/// let generator = HybridGenerator::new(&GeneratorConfig::paper(), 0, &Device::flex())?;
/// let summary = generator.summary();
/// assert_eq!(summary.weights(), 7_059_971);
/// assert_eq!(summary.adapter(), 227_259);
/// println!("{summary}");
/// # Ok::<(), lora_gan::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorSummary {
    /// Layers in the order of the forward pass.
    pub layers: Vec<LayerSummary>,
    /// Values of the null tokens (their number times their width), which no other count includes.
    pub null_values: usize,
}

impl GeneratorSummary {
    /// Weights of the network: kernels, biases, γ and β; neither LoRA nor the null tokens.
    pub fn weights(&self) -> usize {
        self.layers.iter().map(|layer| layer.weights).sum()
    }

    /// Values of all outputs for one photo at the configured image size.
    pub fn values(&self) -> usize {
        self.layers.iter().map(|layer| layer.values).sum()
    }

    /// Values that an adapter trains: LoRA factors, and γ and β of the adapted layers' norms.
    pub fn adapter(&self) -> usize {
        (self.layers.iter())
            .map(|layer| layer.lora + layer.norms)
            .sum()
    }
}

impl HybridGenerator {
    /// Layers, shapes and counts.
    pub fn summary(&self) -> GeneratorSummary {
        let mut edge = self.config().image_size;
        let layers = (self.layers())
            .map(|layer| {
                let out = layer.shape.output;
                let (output, values) = match layer.spec.op {
                    Op::Conv { stride, .. } => {
                        edge = if layer.spec.kind == LayerKind::ConvTranspose {
                            edge * stride
                        } else {
                            edge / stride
                        };
                        (format!("[B, {out}, {edge}, {edge}]"), out * edge * edge)
                    }
                    Op::Linear { .. } if layer.spec.input == Width::Text => {
                        (format!("[B, L, {out}]"), 0)
                    }
                    Op::Linear { .. } => {
                        (format!("[B, {}, {out}]", edge * edge), out * edge * edge)
                    }
                };
                let norms = 2 * out * layer.spec.norms().count();
                let rank = layer.lora.map(|pair| pair.down.dims()[0]);
                LayerSummary {
                    name: layer.spec.name.to_owned(),
                    kind: layer.spec.kind,
                    output,
                    values,
                    weights: layer.shape.weights() + norms,
                    rank,
                    lora: rank.map_or(0, |rank| rank * (layer.shape.fan_in() + out)),
                    norms: if rank.is_some() { norms } else { 0 },
                }
            })
            .collect();
        let null = self.null_context.as_ref();
        GeneratorSummary {
            layers,
            null_values: null.map_or(0, |null| null.dims().iter().product()),
        }
    }
}

/// `7059971` → `7,059,971`.
fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for GeneratorSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "layer", "kind", "output", "weights", "rank", "LoRA", "norms",
        ];
        let mut rows: Vec<[String; 7]> = vec![head.map(str::to_owned)];
        for layer in &self.layers {
            rows.push([
                layer.name.clone(),
                format!("{:?}", layer.kind),
                layer.output.clone(),
                grouped(layer.weights),
                layer.rank.map_or_else(|| "-".to_owned(), |r| r.to_string()),
                grouped(layer.lora),
                grouped(layer.norms),
            ]);
        }
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * 6);
        for (i, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (j, (cell, width)) in row.iter().zip(widths).enumerate() {
                if j > 0 {
                    line.push_str("  ");
                }
                if j < 3 {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("{cell:>width$}"));
                }
            }
            writeln!(f, "{}", line.trim_end())?;
            if i == 0 {
                writeln!(f, "{rule}")?;
            }
        }
        writeln!(f, "{rule}")?;
        let (network, null) = (grouped(self.weights()), grouped(self.null_values));
        writeln!(f, "values of the network      {network:>12}")?;
        writeln!(f, "values of the null tokens  {null:>12}")?;
        write!(
            f,
            "values of the adapter      {:>12}",
            grouped(self.adapter())
        )
    }
}
