//! `--weight`: how much each measure counts for a score.

use chimera_layer4_core::genome::Weights;
use serde_json::Value;

use super::exit::BadInput;

/// The defaults with what `--weight` replaced.
pub(super) fn read(typed: &[String]) -> Result<Weights, BadInput> {
    let wrong = |pair: &str, why: &str| BadInput(format!("--weight {pair}: {why}"));
    let mut weights = serde_json::to_value(Weights::default()).unwrap_or_default();
    for pair in typed {
        let (name, weight) =
            pair.split_once('=').ok_or_else(|| wrong(pair, "it is given as MEASURE=WEIGHT"))?;
        let weight = weight.parse::<f64>().ok().filter(|weight| weight.is_finite());
        let weight = weight.ok_or_else(|| wrong(pair, "the weight is a number"))?;
        let known = weights.as_object_mut().and_then(|known| known.get_mut(name));
        let known = known.ok_or_else(|| wrong(pair, &format!("there is no measure {name:?}")))?;
        *known = Value::from(weight);
    }
    serde_json::from_value(weights).map_err(|error| BadInput(format!("--weight: {error}")))
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
