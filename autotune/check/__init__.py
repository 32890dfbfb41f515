"""`verify --measure`: is the set in use still the faster one?"""
