"""What peers are told of how soon studies can be had."""
