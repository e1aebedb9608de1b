# Judge Studio for a GPU machine:  docker build -t judge-studio . && docker run --gpus all -v $PWD/workspace:/workspace \
#   -p 127.0.0.1:7860:7860 -v $PWD/password:/password:ro judge-studio
# A bind inside a container is not loopback, so the studio asks for a password: write one into ./password first.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 JUDGE_STUDIO_WORKSPACE=/workspace
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY studio studio
COPY assets assets
RUN pip install '.[gpu]' && useradd --create-home judge && mkdir /workspace && chown judge /workspace
USER judge
VOLUME /workspace
EXPOSE 7860
ENTRYPOINT ["judge-studio"]
CMD ["open", "--host", "0.0.0.0", "--no-browser", "--auth", "judge:/password"]
