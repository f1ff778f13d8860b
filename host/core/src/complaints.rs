//! Many complaints as one message of a bounded length.

/// More are not read one by one; a settings file may have thousands.
const MOST_LISTED: usize = 20;
/// A complaint repeats names and values, which may be of any length.
const MOST_CHARS: usize = 1000;
/// Of a longer one, the beginning and the end are kept: the end says what is allowed.
const FIRST_CHARS: usize = 500;
const LAST_CHARS: usize = 200;

/// The first complaints, and the number of the others.
#[must_use]
pub fn first_of(complaints: &[String]) -> String {
    let mut listed: Vec<String> =
        complaints.iter().take(MOST_LISTED).map(|message| shortened(message)).collect();
    let more = complaints.len() - listed.len();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join("; ")
}

fn shortened(message: &str) -> String {
    let count = message.chars().count();
    if count <= MOST_CHARS {
        return message.to_owned();
    }
    let first: String = message.chars().take(FIRST_CHARS).collect();
    let last: String = message.chars().skip(count - LAST_CHARS).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_are_listed_and_the_others_counted() {
        let complaints: Vec<String> = (1..=22).map(|n| format!("{n} is wrong")).collect();
        assert_eq!(first_of(&complaints[..2]), "1 is wrong; 2 is wrong");
        assert!(first_of(&complaints[..20]).ends_with("19 is wrong; 20 is wrong"));
        assert!(first_of(&complaints).ends_with("; 20 is wrong; and 2 more"));
        assert_eq!(first_of(&[]), "");
    }

    #[test]
    fn a_long_one_keeps_its_beginning_and_its_end() {
        let fits = "ü".repeat(1000);
        assert_eq!(shortened(&fits), fits);
        let long = format!("{}{}{}", "a".repeat(500), "ü".repeat(301), "b".repeat(200));
        assert_eq!(shortened(&long), format!("{}…{}", "a".repeat(500), "b".repeat(200)));
    }
}
