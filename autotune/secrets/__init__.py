"""Tells what is a credential, and masks it in what is shown or kept."""
