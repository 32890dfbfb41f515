#!/bin/bash
#########################################################
# Settings of your own: uncomment a line and change it. #
#########################################################

# Folder that holds the web UI's folder, without a slash at its end
#install_dir="/home/$(whoami)"

# Name of the web UI's folder
#clone_dir="stable-diffusion-webui"

# Arguments for launch.py, for example: export COMMANDLINE_ARGS="--medvram --opt-split-attention"
#export COMMANDLINE_ARGS=""

# Interpreter to use
#python_cmd="python3"

# git to use
#export GIT="git"

# Virtual environment to use; "-" for none (beware: "export venv_dir=-" uses the system's packages)
#venv_dir="venv"

# What to start instead of launch.py
#export LAUNCH_SCRIPT="launch.py"

# Command that installs torch
#export TORCH_COMMAND="pip install torch"

# File of requirements
#export REQS_FILE="requirements_versions.txt"

# Fixed commits
#export K_DIFFUSION_COMMIT_HASH=""

# Start through accelerate
#export ACCELERATE="True"

# No tcmalloc
#export NO_TCMALLOC="True"

#########################################################
