"""`check`: is what was measured still true?"""
