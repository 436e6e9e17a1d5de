"""A worker's image that holds the documents application; a head's has only its packages."""

from testinfra.host import Host


def test_the_application_and_its_packages_can_be_imported(host: Host) -> None:
    command = "PYTHONPATH=/opt/documents/app /opt/ray/bin/python -c 'import documents.instance'"

    done = host.run(command)

    assert done.rc == 0, done.stderr


def test_the_model_embeds(host: Host) -> None:
    script = (
        "from pathlib import Path; from documents.providers.local_embeddings import "
        "LocalEmbeddings; print(len(LocalEmbeddings(Path('/opt/documents/model'))"
        ".embed(['x'])[0]))"
    )
    done = host.run(f'PYTHONPATH=/opt/documents/app /opt/ray/bin/python -c "{script}"')

    assert done.stdout.strip() == "384", done.stderr


def test_its_unit_waits_for_an_identity(host: Host) -> None:
    assert host.service("documents").is_enabled
    assert not host.service("documents").is_running
