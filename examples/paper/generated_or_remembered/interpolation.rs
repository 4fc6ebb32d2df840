//! Predictions between two prompts.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use concepts::Concept;
use denoised_weights_examples::Result;
use finetune::tensor_to_images;
use result_figures::{Column, write_grid};
use weight_diffusion::encoded_text::EncodedPrompt;

use crate::bench::Bench;
use crate::report::{Interpolation, InterpolationStep};
use crate::zoo_outputs::apart;

/// Shares of the second prompt.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// A concept and its tokens.
type Encoded<'a> = (&'a Concept, EncodedPrompt);

/// Interpolates between held-out prompts with the same number of tokens, and writes interpolation.png.
pub(crate) fn interpolations(
    bench: &Bench<'_>,
    concepts: &[Concept],
) -> Result<Vec<Interpolation>> {
    let encoder = bench.predictor.encoder();
    let encoded = (concepts.iter())
        .map(|concept| Ok((concept, encoder.tokens(&concept.prompt)?)))
        .collect::<Result<Vec<Encoded<'_>>>>()?;
    let mut by_length: BTreeMap<usize, Vec<&Encoded<'_>>> = BTreeMap::new();
    for entry in &encoded {
        by_length.entry(entry.1.len).or_default().push(entry);
    }
    // The first with the one in the middle, and so on, because neighbours in the list are alike.
    let pairs = (by_length.values())
        .flat_map(|same| same.iter().zip(&same[same.len() / 2..]))
        .filter(|(a, b)| a.0.name != b.0.name)
        .take(bench.args.interpolations);
    let mut columns: Vec<Column> = (SHARES.iter())
        .map(|share| Column::new(share.to_string(), Vec::new()))
        .collect();
    let found = pairs
        .map(|(from, to)| interpolate(bench, from, to, &mut columns))
        .collect::<Result<Vec<_>>>()?;
    if !found.is_empty() {
        write_grid(&bench.args.out.join("interpolation.png"), &columns)?;
    }
    Ok(found)
}

fn interpolate(
    bench: &Bench<'_>,
    (first, a): &Encoded<'_>,
    (second, b): &Encoded<'_>,
    columns: &mut [Column],
) -> Result<Interpolation> {
    let (target_a, target_b) = (bench.targets(first)?, bench.targets(second)?);
    let end_a = bench.outputs(a, &bench.predict(a)?)?;
    let end_b = bench.outputs(b, &bench.predict(b)?)?;
    let mut steps = Vec::new();
    for (share, column) in SHARES.into_iter().zip(columns) {
        let tokens = (a.tokens.iter().zip(&b.tokens))
            .map(|(x, y)| x + (y - x) * share as f32)
            .collect();
        let tokens = EncodedPrompt::new(tokens, a.len);
        let outputs = bench.outputs(&tokens, &bench.predict(&tokens)?)?;
        let mixed = mix(&target_a, &target_b, share);
        steps.push(InterpolationStep {
            share,
            to_mixed_target: apart(&outputs, &mixed),
            ends_mixed_to_mixed_target: apart(&mix(&end_a, &end_b, share), &mixed),
            to_first_target: apart(&outputs, &target_a),
            to_second_target: apart(&outputs, &target_b),
        });
        let shown = bench.compared.len() / 2;
        let shown = outputs.slice([shown..shown + 1]);
        column.images.extend(tensor_to_images(shown));
    }
    Ok(Interpolation {
        from: first.prompt.clone(),
        to: second.prompt.clone(),
        steps,
    })
}

fn mix(a: &Tensor<4>, b: &Tensor<4>, share: f64) -> Tensor<4> {
    a.clone().mul_scalar(1.0 - share) + b.clone().mul_scalar(share)
}
