/// What the index takes at once.
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
}
