"""One TOML file, checked as a whole: `load` it, or ask `check` for everything that is wrong with it."""

from appliance.config.demo import demo_config
from appliance.config.faults import ConfigInvalid, Fault, Severity
from appliance.config.load import check, load
from appliance.config.schema import Config

__all__ = ["Config", "ConfigInvalid", "Fault", "Severity", "check", "demo_config", "load"]
