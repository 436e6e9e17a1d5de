"""AWS::S3Vectors types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_S3Vectors.html.
"""

from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_ecs import request_of
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class VectorBucket(ResourceType):
    type_name = "AWS::S3Vectors::VectorBucket"
    replacing = frozenset({"EncryptionConfiguration", "VectorBucketName"})
    properties = replacing
    attributes = frozenset({"CreationTime", "VectorBucketArn"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        given = {"VectorBucketName": place.name(63).lower(), **chosen(properties, *self.replacing)}
        request = request_of("s3vectors", "create_vector_bucket", given)
        call("s3vectors", "create_vector_bucket", **request)
        name = given["VectorBucketName"]
        found = call("s3vectors", "get_vector_bucket", vectorBucketName=name)
        return str(found["vectorBucket"]["vectorBucketArn"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        name = physical_id.rpartition("/")[2]
        call("s3vectors", "delete_vector_bucket", vectorBucketName=name)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "VectorBucketArn":
            return physical_id
        return super().attribute(physical_id, name)


@register
class Index(ResourceType):
    type_name = "AWS::S3Vectors::Index"
    replacing = frozenset(
        {
            "DataType",
            "Dimension",
            "DistanceMetric",
            "IndexName",
            "MetadataConfiguration",
            "VectorBucketArn",
            "VectorBucketName",
        }
    )
    properties = replacing
    required = frozenset({"DataType", "Dimension", "DistanceMetric"})
    attributes = frozenset({"IndexArn"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        if not {"VectorBucketArn", "VectorBucketName"} & set(properties):
            raise Failed("an index needs VectorBucketArn or VectorBucketName")
        given = {"IndexName": place.name(63).lower(), **properties}
        request = request_of("s3vectors", "create_index", given)
        call("s3vectors", "create_index", **request)
        bucket = given.get("VectorBucketName") or given["VectorBucketArn"].rpartition("/")[2]
        named = {"vectorBucketName": bucket, "indexName": given["IndexName"]}
        found = call("s3vectors", "get_index", **named)
        return str(found["index"]["indexArn"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("s3vectors", "delete_index", indexArn=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "IndexArn" else super().attribute(physical_id, name)
