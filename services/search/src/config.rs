use crate::domain::term::FORMAT;

/// How the index is kept.
#[derive(clap::Args)]
pub struct Config {
    /// The most updates that are indexed in one transaction.
    #[arg(
        long = "search-batch-size",
        env = "GODWIT_SEARCH_BATCH_SIZE",
        value_name = "GODWIT_SEARCH_BATCH_SIZE",
        default_value_t = 500,
        value_parser = clap::value_parser!(u16).range(1..=5000)
    )]
    pub batch_size: u16,

    /// A name of the index. Another name than before has it built again from the message service while it serves, once
    /// for all replicas.
    #[arg(
        long = "search-index-name",
        env = "GODWIT_SEARCH_INDEX_NAME",
        value_name = "GODWIT_SEARCH_INDEX_NAME",
        default_value = "1",
        value_parser = index_name
    )]
    pub index_name: String,
}

impl Config {
    /// What a build is for: another format of the terms, or another name, is another build.
    pub fn build_label(&self) -> String {
        format!("{FORMAT}/{}", self.index_name)
    }
}

fn index_name(text: &str) -> Result<String, &'static str> {
    let is_plain = text.chars().all(|char| char.is_ascii_alphanumeric() || "_.-".contains(char));
    if (1..=64).contains(&text.len()) && is_plain {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 of A-Z a-z 0-9 _ . -")
    }
}
