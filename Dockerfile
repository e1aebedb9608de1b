# Judge Studio for a GPU machine, with vLLM in an environment of its own beside it:
#   docker build -t judge-studio .
#   docker run --gpus all -v $PWD/workspace:/workspace -v $PWD/hub:/hub -v $PWD/password:/password:ro \
#     -p 127.0.0.1:7860:7860 judge-studio
# A bind inside a container is not loopback, so the studio asks for a password: write one into ./password first. Give
# the folders to user 1000 (chown 1000 workspace hub). A run that starts a vLLM names model.vllm_python=/vllm/bin/python.
# A machine without a GPU:  docker build --build-arg EXTRA= --build-arg VLLM= \
#   --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t judge-studio:cpu .
FROM python:3.12-slim

ARG EXTRA=[gpu]
ARG VLLM=vllm==0.32.0
ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=https://pypi.org/simple
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 JUDGE_STUDIO_WORKSPACE=/workspace HF_HOME=/hub

RUN useradd --create-home --uid 1000 judge && mkdir /workspace /hub && chown judge:judge /workspace /hub
# Both are pinned above, where hadolint does not look.
# hadolint ignore=DL3013
RUN if [ -n "$VLLM" ]; then python -m venv /vllm && /vllm/bin/pip install "$VLLM" "$TORCH"; fi
# hadolint ignore=DL3013
RUN pip install --extra-index-url "$TORCH_INDEX" "$TORCH"

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY studio studio
COPY assets assets
# The folder itself.
# hadolint ignore=DL3013
RUN pip install --extra-index-url "$TORCH_INDEX" ".$EXTRA"

# user judge, by number: Kubernetes' runAsNonRoot cannot resolve a name
USER 1000
VOLUME ["/workspace", "/hub"]
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 7860), 3).close()"]
ENTRYPOINT ["judge-studio"]
CMD ["open", "--host", "0.0.0.0", "--no-browser", "--auth", "judge:/password"]
