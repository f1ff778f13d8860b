//! The names of the columns, in the order in which they were met.

use std::collections::HashMap;

use chimera_agent_sdk::prelude::*;

/// Names to numbers and back, up to a limit.
#[derive(Debug)]
pub(crate) struct Columns {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    limit: usize,
}

impl Columns {
    pub(crate) fn new(limit: usize) -> Self {
        Self { names: Vec::new(), numbers: HashMap::new(), limit }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn name(&self, number: usize) -> &str {
        self.names.get(number).map_or("", String::as_str)
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The column of this name, new where there was none.
    pub(crate) fn intern(&mut self, name: &str) -> Result<usize, AgentError> {
        match self.find(name) {
            Some(number) => Ok(number),
            None => self.add(name.to_owned()),
        }
    }

    /// The columns of a CSV header. A name that is empty or taken gets a number,
    /// and each such change is returned in words.
    pub(crate) fn add_header<'a>(
        &mut self,
        header: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<String>, AgentError> {
        let mut changes = Vec::new();
        for (index, written) in header.enumerate() {
            let name = self.free_name(written.trim(), index + 1);
            if name != written.trim() {
                changes.push(format!(
                    "column {} is called `{name}`: its header `{}` is {}",
                    index + 1,
                    written.trim(),
                    if written.trim().is_empty() { "empty" } else { "taken" },
                ));
            }
            self.add(name)?;
        }
        Ok(changes)
    }

    fn free_name(&self, wanted: &str, position: usize) -> String {
        let base = match wanted {
            "" => format!("column_{position}"),
            wanted => wanted.to_owned(),
        };
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        std::iter::once(base.clone())
            .chain(numbered)
            .find(|name| !self.numbers.contains_key(name))
            .unwrap_or(base)
    }

    fn add(&mut self, name: String) -> Result<usize, AgentError> {
        let number = self.names.len();
        if number == self.limit {
            return Err(AgentError::invalid_input(format_args!(
                "the data has more than {} columns (the next is `{name}`): raise `limits.columns` \
                 or hand over fewer",
                self.limit
            )));
        }
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        Ok(number)
    }

    /// Refuses names that the data does not have.
    pub(crate) fn require(&self, option: &str, wanted: &[String]) -> Result<(), AgentError> {
        match wanted.iter().find(|name| self.find(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(AgentError::invalid_input(format_args!(
                "`{option}` names `{name}`, which the data does not have: its columns are {}",
                quoted(&self.names)
            ))),
        }
    }
}

/// The first few names, for a message.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text =
        names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    if names.is_empty() {
        text.push_str("none");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_repeated_headers_get_names() {
        let mut columns = Columns::new(10);
        let changes = columns.add_header(["a", "a", "", " b ", "a_2"].into_iter()).unwrap();
        assert_eq!(columns.names(), ["a", "a_2", "column_3", "b", "a_2_2"]);
        assert_eq!(changes.len(), 3);
        assert_eq!(changes[0], "column 2 is called `a_2`: its header `a` is taken");
    }

    #[test]
    fn too_many_columns_is_an_error_that_names_the_limit() {
        let error = Columns::new(2).add_header(["a", "b", "c"].into_iter()).unwrap_err();
        assert!(error.message().contains("more than 2 columns (the next is `c`)"), "{error}");
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_that_lists_what_is() {
        let mut columns = Columns::new(10);
        columns.intern("x").unwrap();
        let error = columns.require("group_by", &["y".into()]).unwrap_err();
        assert_eq!(
            error.message(),
            "`group_by` names `y`, which the data does not have: its columns are `x`"
        );
    }
}
