//! Shards that are read, without workers: the stream is a list of answers.


