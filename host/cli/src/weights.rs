//! `--weight`: how much each measure counts for a score.

use chimera_layer4_core::genome::Weights;
use chimera_layer4_core::genome::fitness::Criterion;

use super::exit::BadInput;

/// The defaults with what `--weight` replaced.
pub(super) fn read(typed: &[String]) -> Result<Weights, BadInput> {
    let wrong = |pair: &str, why: &str| BadInput(format!("--weight {pair}: {why}"));
    let mut weights = Weights::default();
    for pair in typed {
        let (name, weight) =
            pair.split_once('=').ok_or_else(|| wrong(pair, "it is given as MEASURE=WEIGHT"))?;
        let weight = weight.parse::<f64>().ok().filter(|weight| weight.is_finite());
        let weight = weight.ok_or_else(|| wrong(pair, "the weight is a number"))?;
        let known = Criterion::ALL.into_iter().find(|known| known.name() == name);
        let known = known.ok_or_else(|| wrong(pair, &format!("there is no measure {name:?}")))?;
        *weights.of_mut(known) = weight;
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_replace_the_defaults() {
        let given = read(&["cpu=0".into(), "objective=9.5".into()]).unwrap();
        assert_eq!(given, Weights { cpu: 0.0, objective: 9.5, ..Weights::default() });
        for typed in ["cpu", "cpu=much", "cpu=nan", "speed=1"] {
            assert!(read(&[typed.into()]).is_err(), "{typed}");
        }
    }
}
