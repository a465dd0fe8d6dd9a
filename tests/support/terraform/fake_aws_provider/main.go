// A fake of Terraform's AWS provider, for `terraform validate` and `terraform plan` without a network: the real one's
// schema (schema.json), and not one call to AWS. What AWS would compute it makes up, each value saying that it is fake;
// a policy document is put together from its statements, so that tests can read it in the plan.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

//go:embed schema.json
var schemaFile []byte

type attribute struct {
	Type  any    `json:"type"`
	Given string `json:"given"`
}

type block struct {
	Attributes map[string]attribute `json:"attributes"`
	Blocks     map[string]block     `json:"blocks"`
	Given      string               `json:"given"`
	Many       bool                 `json:"many"`
}

type schemas struct {
	Resource map[string]block `json:"resource"`
	Data     map[string]block `json:"data"`
}

func typeOf(written any) tftypes.Type {
	if parts, ok := written.([]any); ok {
		inner := typeOf(parts[1])
		if parts[0] == "map" {
			return tftypes.Map{ElementType: inner}
		}
		return tftypes.List{ElementType: inner}
	}
	switch written {
	case "number":
		return tftypes.Number
	case "bool":
		return tftypes.Bool
	case "dynamic":
		return tftypes.DynamicPseudoType
	}
	return tftypes.String
}

func (b block) proto() *tfprotov5.SchemaBlock {
	made := &tfprotov5.SchemaBlock{}
	for name, each := range b.Attributes {
		made.Attributes = append(made.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: typeOf(each.Type), Required: each.Given == "required",
			Optional: each.Given == "optional", Computed: each.Given != "required",
		})
	}
	for name, each := range b.Blocks {
		nested := &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: each.proto(), Nesting: tfprotov5.SchemaNestedBlockNestingModeList,
		}
		if each.Given == "required" {
			nested.MinItems = 1
		}
		if !each.Many {
			nested.MaxItems = 1
		}
		made.BlockTypes = append(made.BlockTypes, nested)
	}
	return made
}

func protos(blocks map[string]block) map[string]*tfprotov5.Schema {
	made := map[string]*tfprotov5.Schema{}
	for name, each := range blocks {
		made[name] = &tfprotov5.Schema{Block: each.proto()}
	}
	return made
}

// What is not written here is never called, as nothing is applied.
type fakeProvider struct {
	tfprotov5.ProviderServer
	schemas schemas
}

func (p fakeProvider) providerSchema() *tfprotov5.Schema {
	tags := &tfprotov5.SchemaBlock{Attributes: []*tfprotov5.SchemaAttribute{
		{Name: "tags", Type: tftypes.Map{ElementType: tftypes.String}, Optional: true},
	}}
	return &tfprotov5.Schema{Block: &tfprotov5.SchemaBlock{
		Attributes: []*tfprotov5.SchemaAttribute{{Name: "region", Type: tftypes.String, Optional: true}},
		BlockTypes: []*tfprotov5.SchemaNestedBlock{{
			TypeName: "default_tags", Block: tags, Nesting: tfprotov5.SchemaNestedBlockNestingModeList, MaxItems: 1,
		}},
	}}
}

func (p fakeProvider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	answer := &tfprotov5.GetMetadataResponse{ServerCapabilities: &tfprotov5.ServerCapabilities{}}
	for name := range p.schemas.Resource {
		answer.Resources = append(answer.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range p.schemas.Data {
		answer.DataSources = append(answer.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return answer, nil
}

func (p fakeProvider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{
		Provider:          p.providerSchema(),
		ResourceSchemas:   protos(p.schemas.Resource),
		DataSourceSchemas: protos(p.schemas.Data),
	}, nil
}

func (p fakeProvider) PrepareProviderConfig(_ context.Context, r *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (p fakeProvider) PlanResourceChange(_ context.Context, r *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	kind := protos(p.schemas.Resource)[r.TypeName].ValueType()
	proposed, err := r.ProposedNewState.Unmarshal(kind)
	if err != nil || proposed.IsNull() {
		return &tfprotov5.PlanResourceChangeResponse{PlannedState: r.ProposedNewState}, err
	}
	planned, err := filled(r.TypeName, p.schemas.Resource[r.TypeName], proposed)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov5.NewDynamicValue(kind, planned)
	return &tfprotov5.PlanResourceChangeResponse{PlannedState: &state}, err
}

func (p fakeProvider) ReadDataSource(_ context.Context, r *tfprotov5.ReadDataSourceRequest) (*tfprotov5.ReadDataSourceResponse, error) {
	kind := protos(p.schemas.Data)[r.TypeName].ValueType()
	config, err := r.Config.Unmarshal(kind)
	if err != nil {
		return nil, err
	}
	read, err := filled(r.TypeName, p.schemas.Data[r.TypeName], config)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov5.NewDynamicValue(kind, read)
	return &tfprotov5.ReadDataSourceResponse{State: &state}, err
}

// region is that of the provider's configuration; the partition follows from it.
var region string

func (p fakeProvider) ConfigureProvider(_ context.Context, r *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	config, err := r.Config.Unmarshal(p.providerSchema().ValueType())
	if err != nil {
		return nil, err
	}
	fields := map[string]tftypes.Value{}
	if err := config.As(&fields); err != nil {
		return nil, err
	}
	if field := fields["region"]; field.IsKnown() && !field.IsNull() {
		err = field.As(&region)
	}
	return &tfprotov5.ConfigureProviderResponse{}, err
}

func partition() string {
	switch {
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	}
	return "aws"
}

// routes are those of the table of a subnet, by the last character of its id: e has none, f a NAT, d the internet, and
// any other the gateway endpoints of S3 and DynamoDB.
func routes(subnet string) tftypes.Value {
	fields := map[string]tftypes.Type{
		"cidr_block": tftypes.String, "destination_prefix_list_id": tftypes.String,
		"gateway_id": tftypes.String, "nat_gateway_id": tftypes.String,
	}
	kind := tftypes.Object{AttributeTypes: fields}
	route := func(cidr, list, gateway, nat string) tftypes.Value {
		return tftypes.NewValue(kind, map[string]tftypes.Value{
			"cidr_block":                 tftypes.NewValue(tftypes.String, cidr),
			"destination_prefix_list_id": tftypes.NewValue(tftypes.String, list),
			"gateway_id":                 tftypes.NewValue(tftypes.String, gateway),
			"nat_gateway_id":             tftypes.NewValue(tftypes.String, nat),
		})
	}
	made := []tftypes.Value{route("10.0.0.0/16", "", "local", "")}
	switch subnet[len(subnet)-1] {
	case 'd':
		made = append(made, route("0.0.0.0/0", "", "igw-fake", ""))
	case 'e':
	case 'f':
		made = append(made, route("0.0.0.0/0", "", "", "nat-fake"))
	default:
		for _, service := range []string{"s3", "dynamodb"} {
			list := "fake-id-of-aws_ec2_managed_prefix_list-com.amazonaws." + region + "." + service
			made = append(made, route("", list, "vpce-fake", ""))
		}
	}
	return tftypes.NewValue(tftypes.List{ElementType: kind}, made)
}

var known = map[string]string{
	"aws_caller_identity.account_id": "123456789012",
	"aws_partition.partition":        "",
	"aws_vpc.cidr_block":             "10.0.0.0/16",
	// Two zones; that of a subnet is told by the last digit of its id.
	"aws_subnet.availability_zone_id": "fake-zone-",
}

// vpcBlocks are the address ranges of the VPC: one it was made with, one that came later, one that has gone.
func vpcBlocks() tftypes.Value {
	fields := map[string]tftypes.Type{"association_id": tftypes.String, "cidr_block": tftypes.String, "state": tftypes.String}
	kind := tftypes.Object{AttributeTypes: fields}
	made := []tftypes.Value{}
	for _, each := range [][2]string{
		{"10.0.0.0/16", "associated"}, {"100.64.0.0/16", "associated"}, {"10.9.0.0/16", "disassociated"},
	} {
		made = append(made, tftypes.NewValue(kind, map[string]tftypes.Value{
			"association_id": tftypes.NewValue(tftypes.String, "fake-association"),
			"cidr_block":     tftypes.NewValue(tftypes.String, each[0]),
			"state":          tftypes.NewValue(tftypes.String, each[1]),
		}))
	}
	return tftypes.NewValue(tftypes.List{ElementType: kind}, made)
}

// filled returns a value with made-up strings where AWS would compute one.
func filled(typeName string, schema block, value tftypes.Value) (tftypes.Value, error) {
	fields := map[string]tftypes.Value{}
	if err := value.As(&fields); err != nil {
		return value, err
	}
	name := ""
	for _, key := range []string{"name", "family", "dashboard_name"} {
		if field, ok := fields[key]; ok && field.IsKnown() && !field.IsNull() {
			_ = field.As(&name)
		}
	}
	if typeName == "aws_route_table" && fields["subnet_id"].IsKnown() {
		subnet := ""
		if err := fields["subnet_id"].As(&subnet); err != nil {
			return value, err
		}
		fields["routes"] = routes(subnet)
	}
	if typeName == "aws_vpc" {
		fields["cidr_block_associations"] = vpcBlocks()
	}
	for key, each := range schema.Attributes {
		given, isKnown := known[typeName+"."+key]
		if each.Type != "string" || !fields[key].IsNull() || (each.Given != "never" && key != "id" && !isKnown) {
			continue
		}
		made := fmt.Sprintf("fake-%s-of-%s-%s", key, typeName, name)
		if isKnown {
			made = given
		}
		if typeName == "aws_partition" && key == "partition" {
			made = partition()
		}
		if typeName == "aws_subnet" && key == "availability_zone_id" {
			id := ""
			if err := fields["id"].As(&id); err != nil {
				return value, err
			}
			made += string('a' + rune(id[len(id)-1]%2))
		}
		if typeName == "aws_iam_policy_document" && key == "json" {
			document, err := policy(fields["statement"])
			if err != nil {
				return value, err
			}
			made = document
		}
		fields[key] = tftypes.NewValue(tftypes.String, made)
	}
	return tftypes.NewValue(value.Type(), fields), nil
}

// policy returns the statements of a document as they were written, as JSON.
func policy(statements tftypes.Value) (string, error) {
	made, err := json.Marshal(map[string]any{"fake": true, "Statement": plain(statements)})
	return string(made), err
}

func plain(value tftypes.Value) any {
	if value.IsNull() {
		return nil
	}
	if !value.IsKnown() {
		return "unknown"
	}
	var text string
	if value.As(&text) == nil {
		return text
	}
	var list []tftypes.Value
	if value.As(&list) == nil {
		made := []any{}
		for _, each := range list {
			made = append(made, plain(each))
		}
		return made
	}
	fields := map[string]tftypes.Value{}
	if value.As(&fields) != nil {
		return "not text, list or object"
	}
	made := map[string]any{}
	for key, each := range fields {
		if !each.IsNull() {
			made[key] = plain(each)
		}
	}
	return made
}

func main() {
	provider := fakeProvider{}
	if err := json.Unmarshal(schemaFile, &provider.schemas); err != nil {
		log.Fatal(err)
	}
	server := func() tfprotov5.ProviderServer { return provider }
	if err := tf5server.Serve("registry.terraform.io/hashicorp/aws", server); err != nil {
		log.Fatal(err)
	}
}
