"""A parameter is not overwritten unaware, and each overwrite is a new version.

The cluster's secret is made once by whichever deploy comes first; a channel of images counts on
versions to go back.
"""

from tests.probes.kit.place import Place, answer_to

SOURCE = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"
ASSUMED = "done, then ParameterAlreadyExists, then version 2"


def probe(place: Place) -> str:
    ssm, name = place.clients("ssm"), f"/{place.name}/value"
    place.afterwards(f"parameter {name}", lambda: ssm.delete_parameter(Name=name))
    first = answer_to(
        lambda: ssm.put_parameter(Name=name, Value="1", Type="String", Tags=place.tags)
    )
    second = answer_to(lambda: ssm.put_parameter(Name=name, Value="2", Type="String"))
    third = ssm.put_parameter(Name=name, Value="3", Type="String", Overwrite=True)["Version"]
    return f"{first}, then {second}, then version {third}"
