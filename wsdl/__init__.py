"""The published contract: sendsms.wsdl (document/literal wrapped) and sendsms-rpc.wsdl (rpc/literal), served as they stand here."""
