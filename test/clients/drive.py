# What a script around a VPC does, in boto3 as it is installed: clients, resources, paginators and
# waiters, with nothing told but the lab's own environment. Argument: the lab's endpoint. Prints
# "driven" and the version of boto3 when all of it was as EC2 has it.

import sys

import boto3
from botocore.exceptions import ClientError

ec2 = boto3.client("ec2", endpoint_url=sys.argv[1])
resource = boto3.resource("ec2", endpoint_url=sys.argv[1])


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


def tagged(kind, **tags):
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": pairs}]


# A VPC of one's own.
vpc = resource.create_vpc(CidrBlock="10.50.0.0/16", TagSpecifications=tagged("vpc", run="boto3"))
vpc.wait_until_exists()
vpc.wait_until_available()
assert [each.id for each in resource.vpcs.filter(Filters=[{"Name": "tag:run", "Values": ["boto?"]}])] == [vpc.id]
subnet = vpc.create_subnet(CidrBlock="10.50.1.0/24", AvailabilityZone="us-west-2a")
ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet.id])
assert code(ec2.delete_vpc, VpcId=vpc.id) == "DependencyViolation"
assert code(ec2.delete_vpc, VpcId=vpc.id, DryRun=True) == "DependencyViolation"
subnet.delete()
assert code(ec2.delete_vpc, VpcId=vpc.id, DryRun=True) == "DryRunOperation"
vpc.delete()
assert code(ec2.describe_vpcs, VpcIds=[vpc.id]) == "InvalidVpcID.NotFound"

# Groups and rules in the default one.
home = [each for each in resource.vpcs.all() if each.is_default][0]
group = home.create_security_group(GroupName="boto3", Description="boto3")
ec2.get_waiter("security_group_exists").wait(GroupIds=[group.id])
group.authorize_ingress(
    IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": group.id}]},
    ]
)
group.reload()
assert len(group.ip_permissions) == 2 and len(group.ip_permissions_egress) == 1, group.ip_permissions
rules = ec2.get_paginator("describe_security_group_rules").paginate(
    Filters=[{"Name": "group-id", "Values": [group.id]}], PaginationConfig={"PageSize": 5}
)
assert len([rule for page in rules for rule in page["SecurityGroupRules"]]) == 4
group.revoke_ingress(IpProtocol="tcp", FromPort=80, ToPort=81, CidrIp="10.0.0.0/16")
assert code(group.authorize_egress, IpPermissions=[{"IpProtocol": "nope"}]) == "InvalidParameterValue"

# ENIs: made once for a token, listed in pages, attached, found, given back.
place = [each for each in home.subnets.all() if each.availability_zone == "us-west-2a"][0]
wish = {"SubnetId": place.id, "Groups": [group.id], "ClientToken": "boto3-token"}
first = ec2.create_network_interface(**wish)["NetworkInterface"]["NetworkInterfaceId"]
assert ec2.create_network_interface(**wish)["NetworkInterface"]["NetworkInterfaceId"] == first
assert code(ec2.create_network_interface, **wish, Description="x") == "IdempotentParameterMismatch"
enis = [first]
for n in range(11):
    eni = place.create_network_interface(
        Groups=[group.id], Description=f"boto3 {n}", TagSpecifications=tagged("network-interface", n=str(n))
    )
    enis.append(eni.id)
ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=enis)
pages = list(
    ec2.get_paginator("describe_network_interfaces").paginate(
        Filters=[{"Name": "group-id", "Values": [group.id]}], PaginationConfig={"PageSize": 5}
    )
)
found = [each["NetworkInterfaceId"] for page in pages for each in page["NetworkInterfaces"]]
assert [len(page["NetworkInterfaces"]) for page in pages] == [5, 5, 2]
assert sorted(found) == sorted(enis)
assert len(list(place.network_interfaces.filter(Filters=[{"Name": "tag-key", "Values": ["n"]}]).page_size(5))) == 11
host = ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
for waiter in "instance_exists", "instance_running", "instance_status_ok", "system_status_ok":
    ec2.get_waiter(waiter).wait(InstanceIds=[host])
attached = ec2.attach_network_interface(NetworkInterfaceId=first, InstanceId=host, DeviceIndex=5)
assert resource.NetworkInterface(first).attachment["Status"] == "attached"
assert first in [each.id for each in resource.Instance(host).network_interfaces]
ec2.modify_network_interface_attribute(NetworkInterfaceId=first, SourceDestCheck={"Value": False})
ec2.reset_network_interface_attribute(NetworkInterfaceId=first, SourceDestCheck="true")
check = ec2.describe_network_interface_attribute(NetworkInterfaceId=first, Attribute="sourceDestCheck")
assert check["SourceDestCheck"] == {"Value": True}
assert code(ec2.delete_network_interface, NetworkInterfaceId=first) == "InvalidParameterValue"
ec2.detach_network_interface(AttachmentId=attached["AttachmentId"])
ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[first])
resource.create_tags(Resources=enis, Tags=[{"Key": "all", "Value": "yes"}])
tags = ec2.get_paginator("describe_tags").paginate(Filters=[{"Name": "key", "Values": ["all"]}])
assert len([tag for page in tags for tag in page["Tags"]]) == 12
for each in enis:
    resource.NetworkInterface(each).delete()
assert code(ec2.describe_network_interfaces, NetworkInterfaceIds=enis) == "InvalidNetworkInterfaceID.NotFound"
group.delete()

# Every other listing, through the paginator where boto3 has one.
for name in (
    "describe_account_attributes describe_availability_zones describe_dhcp_options describe_instance_status "
    "describe_instance_type_offerings describe_instance_types describe_managed_prefix_lists describe_network_acls "
    "describe_regions describe_route_tables describe_security_groups describe_subnets"
).split():
    if ec2.can_paginate(name):
        assert list(ec2.get_paginator(name).paginate()), name
    else:
        getattr(ec2, name)()
assert code(ec2.describe_key_pairs) == "InvalidAction"
assert code(ec2.describe_subnets, Filters=[{"Name": "colour", "Values": ["red"]}]) == "InvalidParameterValue"
print("driven", boto3.__version__)
