"""`firn drives`: the tape drives and recorders."""

from appliance.cli.application import app, family

drives_app = family("Tape drives and disc recorders.")
app.add_typer(drives_app, name="drives", rich_help_panel="Media")
